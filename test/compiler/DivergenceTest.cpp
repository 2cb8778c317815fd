//===- DivergenceTest.cpp - KL divergence of two rows of logits -----------===//
// SPDX-License-Identifier: Apache-2.0
//
// Whole engines are compared in test/e2e/test_weights.py.

#include "compiler/driver/accuracy/Divergence.h"
#include "compiler/driver/accuracy/CalibrationText.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace tenon::compiler {
namespace {

/// By the definition, in double precision.
double exactKl(const std::vector<float> &a, const std::vector<float> &b) {
  auto logs = [](const std::vector<float> &logits) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (float x : logits)
      sum += std::exp(x - largest);
    std::vector<double> result;
    for (float x : logits)
      result.push_back(x - largest - std::log(sum));
    return result;
  };
  const std::vector<double> p = logs(a), q = logs(b);
  double kl = 0;
  for (size_t i = 0; i < p.size(); ++i)
    kl += std::exp(p[i]) * (p[i] - q[i]);
  return kl;
}

std::vector<float> normalRow(size_t size, float deviation, float mean, std::mt19937 &random) {
  std::normal_distribution<float> distribution(mean, deviation);
  std::vector<float> row(size);
  for (float &x : row)
    x = distribution(random);
  return row;
}

TEST(KlDivergence, equalsTheDefinition) {
  std::mt19937 random(1);
  for (size_t size : {1u, 2u, 255u, 256u, 257u, 5000u})
    for (float shift : {0.0f, 300.0f}) {
      const auto a = normalRow(size, 4, 0, random), b = normalRow(size, 4, shift, random);
      EXPECT_NEAR(klDivergence(a, b), exactKl(a, b), 1e-5 * (1 + exactKl(a, b))) << size;
    }
}

TEST(KlDivergence, seesSmallDifferences) {
  std::mt19937 random(2);
  const auto a = normalRow(49152, 3, 5, random);
  EXPECT_NEAR(klDivergence(a, a), 0, 1e-7);
  auto b = a;
  for (float &x : b)
    x += std::normal_distribution<float>(0, 0.01f)(random);
  const double exact = exactKl(a, b);
  EXPECT_GT(exact, 1e-5);
  EXPECT_NEAR(klDivergence(a, b), exact, 0.02 * exact);
}

TEST(KlDivergence, doesNotOverflowWhereOneRowIsSure) {
  std::vector<float> sure(100, -200.0f), flat(100, 0.0f);
  sure[7] = 0;
  EXPECT_NEAR(klDivergence(sure, flat), std::log(100.0), 1e-5);
  EXPECT_NEAR(klDivergence(flat, sure), exactKl(flat, sure), 1e-3);
}

TEST(CalibrationText, holdsSeveralHundredWords) {
  EXPECT_GT(std::count(kCalibrationText.begin(), kCalibrationText.end(), ' '), 600);
}

} // namespace
} // namespace tenon::compiler
