//===- ColumnFeedbackTest.cpp - Rounding by measured inputs ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/ColumnFeedback.h"
#include "compiler/pack/Packer.h"
#include "compiler/pack/Reblock.h"
#include "compiler/pack/SymmetricUpdate.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using compiler::ColumnFeedback;

namespace {

uint16_t toBfloat(float value) {
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
}
double fromBfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// Inputs of few hidden causes, as those of trained models are: columns go together, and some are
/// large.
struct Inputs {
  uint64_t rows, columns;
  std::vector<uint16_t> values;

  Inputs(uint64_t rows, uint64_t columns, uint64_t causes, uint32_t seed)
      : rows(rows), columns(columns), values(rows * columns) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> mixing(causes * columns), hidden(causes);
    for (float &value : mixing)
      value = normal(random);
    for (uint64_t n = 0; n < rows; ++n) {
      for (float &value : hidden)
        value = normal(random);
      for (uint64_t k = 0; k < columns; ++k) {
        float sum = 0.1f * normal(random);
        for (uint64_t c = 0; c < causes; ++c)
          sum += hidden[c] * mixing[c * columns + k];
        values[n * columns + k] = toBfloat(k % 41 == 0 ? 8 * sum : sum);
      }
    }
  }
  double at(uint64_t n, uint64_t k) const { return fromBfloat(values[n * columns + k]); }
  ColumnFeedback feedback(unsigned threads = 2) const {
    auto read = [&](uint64_t first, uint64_t count, std::vector<uint16_t> &out) {
      out.resize(rows * count);
      for (uint64_t n = 0; n < rows; ++n)
        std::copy_n(values.begin() + n * columns + first, count, out.begin() + n * count);
      return llvm::Error::success();
    };
    return llvm::cantFail(ColumnFeedback::measure(rows, columns, read, threads));
  }
};

struct Weights {
  std::vector<float> values;
  frontend::Tensor tensor;
  Weights(uint64_t rows, uint64_t columns) : values(rows * columns) {
    std::mt19937 random(static_cast<uint32_t>(rows + columns));
    std::normal_distribution<float> normal(0, 0.05f);
    for (float &value : values)
      value = normal(random);
    tensor.name = "matrix";
    tensor.format = WeightFormat::F32;
    tensor.rows = rows;
    tensor.columns = columns;
    tensor.data = {reinterpret_cast<const uint8_t *>(values.data()), values.size() * 4};
  }
  Weights(const Weights &) = delete;

  std::vector<uint8_t> rounded(WeightFormat format, const ColumnFeedback *feedback,
                               unsigned threads = 2) const {
    std::vector<uint8_t> out(packedBytes(format, tensor.rows, tensor.columns));
    llvm::cantFail(
        compiler::reblockMatrix(tensor, format, {}, 0, tensor.rows, threads, out, feedback));
    return out;
  }
  /// Sum over inputs and rows of the squared difference of the products.
  double productError(WeightFormat format, llvm::ArrayRef<uint8_t> panels,
                      const Inputs &inputs) const {
    double sum = 0;
    std::vector<double> errors(tensor.columns);
    for (uint64_t r = 0; r < tensor.rows; ++r) {
      for (uint64_t k = 0; k < tensor.columns; ++k)
        errors[k] = compiler::unpackValue(format, panels, tensor.columns, r, k) -
                    values[r * tensor.columns + k];
      for (uint64_t n = 0; n < inputs.rows; ++n) {
        double product = 0;
        for (uint64_t k = 0; k < tensor.columns; ++k)
          product += errors[k] * inputs.at(n, k);
        sum += product * product;
      }
    }
    return sum;
  }
};

class Feedback : public testing::TestWithParam<WeightFormat> {};

std::vector<WeightFormat> rowScaledFormats() {
  std::vector<WeightFormat> formats;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f)
    if (formatInfo(static_cast<WeightFormat>(f)).rowScales)
      formats.push_back(static_cast<WeightFormat>(f));
  return formats;
}

} // namespace

TEST_P(Feedback, keepsProductsWithInputsItHasNotSeen) {
  const Weights weights(40, 256);
  const Inputs seen(600, 256, 24, 1);
  // The same causes, other samples: the tail of one longer recording.
  const Inputs all(800, 256, 24, 1);
  Inputs unseen = all;
  unseen.rows = 200;
  unseen.values.erase(unseen.values.begin(), unseen.values.begin() + 600 * 256);
  const ColumnFeedback feedback = seen.feedback();
  const double with =
      weights.productError(GetParam(), weights.rounded(GetParam(), &feedback), unseen);
  const double without =
      weights.productError(GetParam(), weights.rounded(GetParam(), nullptr), unseen);
  EXPECT_LT(with, 0.5 * without);
}

TEST_P(Feedback, givesTheSameBytesOnAnyNumberOfThreads) {
  const Weights weights(70, 160);
  const Inputs inputs(300, 160, 12, 2);
  const ColumnFeedback one = inputs.feedback(1), five = inputs.feedback(5);
  EXPECT_EQ(weights.rounded(GetParam(), &one, 1), weights.rounded(GetParam(), &five, 5));
}

TEST_P(Feedback, aRowDoesNotDependOnThoseBesideIt) {
  const Weights weights(32, 96);
  const ColumnFeedback feedback = Inputs(200, 96, 9, 3).feedback();
  const std::vector<uint8_t> whole = weights.rounded(GetParam(), &feedback);
  std::vector<uint8_t> part(packedBytes(GetParam(), 11, 96));
  llvm::cantFail(
      compiler::reblockMatrix(weights.tensor, GetParam(), {}, 7, 11, 1, part, &feedback));
  for (uint64_t row = 0; row < 11; ++row)
    for (uint64_t k = 0; k < 96; ++k)
      ASSERT_EQ(compiler::unpackValue(GetParam(), part, 96, row, k),
                compiler::unpackValue(GetParam(), whole, 96, row + 7, k));
}

TEST_P(Feedback, withoutInputsRoundsAsWithoutCorrelations) {
  const Weights weights(16, 64);
  Inputs silent(50, 64, 4, 4);
  std::fill(silent.values.begin(), silent.values.end(), 0);
  const ColumnFeedback feedback = silent.feedback();
  EXPECT_TRUE(feedback.blocks().empty());
  const std::vector<uint8_t> panels = weights.rounded(GetParam(), &feedback);
  for (uint64_t k = 0; k < 64; ++k)
    EXPECT_NEAR(compiler::unpackValue(GetParam(), panels, 64, 3, k), weights.values[3 * 64 + k],
                0.05);
}

INSTANTIATE_TEST_SUITE_P(Reblock, Feedback, testing::ValuesIn(rowScaledFormats()),
                         [](const auto &info) { return std::string(formatInfo(info.param).name); });

TEST(ColumnFeedback, factorsGiveTheMomentsBack) {
  // R D R^T, D from the diagonal, must be the damped sum of x x^T in the order of rounding.
  const uint64_t columns = 96;
  const Inputs inputs(500, columns, 10, 5);
  const ColumnFeedback feedback = inputs.feedback();
  ASSERT_EQ(feedback.blocks().size(), 1u);
  const ColumnFeedback::Block &block = feedback.blocks()[0];
  std::vector<double> moments(columns * columns);
  double mean = 0;
  for (uint64_t a = 0; a < columns; ++a)
    for (uint64_t b = 0; b < columns; ++b) {
      for (uint64_t n = 0; n < inputs.rows; ++n)
        moments[a * columns + b] += inputs.at(n, block.order[a]) * inputs.at(n, block.order[b]);
      mean += a == b ? moments[a * columns + b] / columns : 0;
    }
  // What is left of each column after those behind it in the order: D, from the last column on.
  std::vector<double> d(columns);
  const auto r = [&](uint64_t i, uint64_t j) {
    return i == j ? 1.0 : i < j ? double(block.row(j)[i]) : 0.0;
  };
  const double damping = 0.2 * mean;
  for (uint64_t j = columns; j-- > 0;) {
    d[j] = moments[j * columns + j] + damping;
    for (uint64_t l = j + 1; l < columns; ++l)
      d[j] -= r(j, l) * r(j, l) * d[l];
  }
  for (uint64_t a = 0; a < columns; ++a)
    for (uint64_t b = a; b < columns; ++b) {
      double sum = 0;
      for (uint64_t l = b; l < columns; ++l)
        sum += r(a, l) * d[l] * r(b, l);
      EXPECT_NEAR(sum, moments[a * columns + b] + (a == b ? damping : 0), 2e-4 * mean)
          << a << " " << b;
    }
  for (uint64_t j = 1; j < columns; ++j)
    EXPECT_GE(moments[(j - 1) * columns + j - 1],
              moments[j * columns + j]); // The largest inputs come first.
}

TEST(ColumnFeedback, cutsWideMatricesIntoBlocks) {
  const Inputs inputs(8, 2 * compiler::kMostFeedbackColumns + 32, 2, 6);
  const ColumnFeedback feedback = inputs.feedback();
  ASSERT_EQ(feedback.blocks().size(), 3u);
  uint64_t next = 0;
  for (const ColumnFeedback::Block &block : feedback.blocks()) {
    EXPECT_EQ(block.first, next);
    EXPECT_LE(block.order.size(), compiler::kMostFeedbackColumns);
    next += block.order.size();
  }
  EXPECT_EQ(next, inputs.columns);
  EXPECT_EQ(feedback.importance().size(), inputs.columns);
}

TEST(ColumnFeedback, learnsNothingFromInputsThatAreNoNumbers) {
  Inputs inputs(20, 64, 3, 8);
  inputs.values[64 * 7 + 11] = 0x7fc0; // NaN
  const ColumnFeedback feedback = inputs.feedback();
  EXPECT_TRUE(feedback.blocks().empty());
  for (float importance : feedback.importance())
    EXPECT_EQ(importance, 1);
}

TEST(ColumnFeedback, refusesInputsOfAnotherWidth) {
  const Weights weights(16, 64);
  const ColumnFeedback feedback = Inputs(20, 96, 3, 7).feedback();
  std::vector<uint8_t> out(packedBytes(WeightFormat::Q4_R, 16, 64));
  const std::string message = llvm::toString(
      compiler::reblockMatrix(weights.tensor, WeightFormat::Q4_R, {}, 0, 16, 1, out, &feedback));
  EXPECT_NE(message.find("its inputs have 96 columns, not 64"), std::string::npos) << message;
}
