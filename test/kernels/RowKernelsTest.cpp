//===- RowKernelsTest.cpp - Norms, quantiser, rope table ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::test {
namespace {

using cpu::KernelKind;
using cpu::KernelSpec;

class RowKernels : public testing::TestWithParam<engine::Variant> {};

std::vector<float> rmsNorm(const float *x, const float *w, uint32_t k, double eps) {
  double squares = 0;
  for (uint32_t i = 0; i < k; ++i)
    squares += double(x[i]) * x[i];
  std::vector<float> out(k);
  for (uint32_t i = 0; i < k; ++i)
    out[i] = static_cast<float>(x[i] / std::sqrt(squares / k + eps) * w[i]);
  return out;
}

TEST_P(RowKernels, normGivesFloatsAtOddWidths) {
  std::mt19937 random(1);
  for (uint32_t k : {16u, 37u, 576u}) {
    KernelSpec spec;
    spec.kind = KernelKind::NormQuant;
    spec.k = k;
    spec.eps = 1e-5f;
    Bytes x = makeFloats(5 * k, random), w = makeFloats(k, random), out(5 * k * 4);
    TestKernel(spec, GetParam()).run({x, w, out}, TestStep({{0, 5}}).view, 2);
    for (uint32_t r = 0; r < 5; ++r)
      EXPECT_LT(relativeError(out.f32() + r * k, rmsNorm(x.f32() + r * k, w.f32(), k, 1e-5)), 1e-6);
  }
}

TEST_P(RowKernels, gatheredNormReadsTheLogitRowsOnly) {
  std::mt19937 random(2);
  KernelSpec spec;
  spec.kind = KernelKind::NormQuant;
  spec.k = 64;
  spec.eps = 1e-6f;
  spec.gatherLogitRows = true;
  Bytes x = makeFloats(9 * 64, random), w = makeFloats(64, random), out(2 * 64 * 4);
  TestStep step({{0, 4}, {0, 5}}); // logit rows 3 and 8
  TestKernel(spec, GetParam()).run({x, w, out}, step.view, 2);
  for (uint32_t r = 0; r < 2; ++r)
    EXPECT_LT(relativeError(out.f32() + r * 64,
                            rmsNorm(x.f32() + step.logitRows[r] * 64, w.f32(), 64, 1e-6)),
              1e-6);
}

TEST_P(RowKernels, keptRowsAreWrittenAsTheyAreBesideTheirNorm) {
  std::mt19937 random(7);
  for (uint32_t k : {32u, 64u, 576u}) {
    KernelSpec spec;
    spec.kind = KernelKind::NormQuant;
    spec.k = k;
    spec.eps = 1e-6f;
    spec.gatherLogitRows = spec.quantOut = true;
    Bytes x = makeFloats(9 * k, random), w = makeFloats(k, random);
    const uint64_t stride = cpu::QuantRowLayout(k).stride();
    Bytes plain(2 * stride), out(2 * stride), kept(3 * k * 4); // A row more, to stay as it is.
    for (uint32_t i = 0; i < 3 * k; ++i)
      kept.f32()[i] = -1;
    TestStep step({{0, 4}, {0, 5}}); // Rows 3 and 8.
    TestKernel(spec, GetParam()).run({x, w, plain}, step.view, 2);
    spec.keepRows = true;
    TestKernel(spec, GetParam()).run({x, w, out, kept}, step.view, 2);
    EXPECT_EQ(std::memcmp(out.data(), plain.data(), plain.size()), 0);
    for (uint32_t r = 0; r < 2; ++r)
      EXPECT_EQ(std::memcmp(kept.f32() + r * k, x.f32() + step.logitRows[r] * k, k * 4), 0);
    EXPECT_TRUE(
        std::all_of(kept.f32() + 2 * k, kept.f32() + 3 * k, [](float v) { return v == -1; }));
  }
}

TEST_P(RowKernels, quantizeFollowsTheFormulaToTheBit) {
  std::mt19937 random(3);
  KernelSpec spec;
  spec.kind = KernelKind::Quantize;
  spec.k = 96;
  Bytes x = makeFloats(4 * 96, random, 30.0f);
  std::memset(x.data() + 32 * 4, 0, 128); // one group of zeros
  x.f32()[0] = 1e-38f;                    // and a denormal amid normal values
  for (uint32_t bits : {15u, 8u}) {
    spec.rowBits = bits;
    const cpu::QuantRowLayout layout(96, bits);
    const uint64_t stride = layout.stride();
    Bytes out(4 * stride), expected(4 * stride);
    for (uint32_t r = 0; r < 4; ++r)
      quantizeRow(x.f32() + r * 96, 96, expected.data() + r * stride, bits);
    TestKernel(spec, GetParam()).run({x, out}, TestStep({{0, 4}}).view, 3);
    for (uint32_t r = 0; r < 4; ++r)
      EXPECT_EQ(std::memcmp(out.data() + r * stride, expected.data() + r * stride, layout.bytes()),
                0)
          << bits;
  }
}

TEST_P(RowKernels, normAddNormQuantAddsThenNorms) {
  std::mt19937 random(4);
  for (auto kind : {KernelKind::NormAdd, KernelKind::NormAddNormQuant}) {
    KernelSpec spec;
    spec.kind = kind;
    spec.k = 160;
    spec.eps = 1e-6f;
    spec.quantOut = kind == KernelKind::NormAddNormQuant;
    Bytes y = makeFloats(3 * 160, random), w = makeFloats(160, random),
          x = makeFloats(3 * 160, random);
    Bytes w2 = makeFloats(160, random);
    const uint64_t stride = cpu::QuantRowLayout(160).stride();
    Bytes out(3 * stride);
    std::vector<float> sum(x.f32(), x.f32() + 3 * 160);
    for (uint32_t r = 0; r < 3; ++r) {
      auto n = rmsNorm(y.f32() + r * 160, w.f32(), 160, 1e-6);
      for (uint32_t i = 0; i < 160; ++i)
        sum[r * 160 + i] += n[i];
    }
    TestKernel(spec, GetParam()).run({y, w, x, w2, out}, TestStep({{0, 3}}).view, 2);
    EXPECT_LT(relativeError(x.f32(), sum), 1e-6);
    if (!spec.quantOut)
      continue;
    for (uint32_t r = 0; r < 3; ++r) {
      auto expected = rmsNorm(sum.data() + r * 160, w2.f32(), 160, 1e-6);
      auto got = dequantizeQuantRow(out.data() + r * stride, 160);
      EXPECT_LT(relativeError(got.data(), expected), 0.6 / 16256);
    }
  }
}

TEST_P(RowKernels, ropeTableEqualsSineAndCosineOfTheF32Angle) {
  std::mt19937 random(5);
  for (uint32_t half : {32u, 20u, 128u}) {
    KernelSpec spec;
    spec.kind = KernelKind::RopeTable;
    spec.rotary = half * 2;
    spec.ropeScale = 1.25f;
    Bytes frequencies(half * 4);
    for (uint32_t i = 0; i < half; ++i)
      frequencies.f32()[i] = static_cast<float>(std::pow(10000.0, -double(i) / half));
    TestStep step({{0, 3}, {1000, 5}, {32760, 8}});
    Bytes out(16 * half * 8);
    TestKernel(spec, GetParam()).run({out, frequencies}, step.view, 2);
    for (uint32_t r = 0; r < 16; ++r)
      for (uint32_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(step.positions[r]) * frequencies.f32()[i];
        EXPECT_NEAR(out.f32()[r * half * 2 + i], 1.25 * std::cos(double(angle)), 3e-7);
        EXPECT_NEAR(out.f32()[r * half * 2 + half + i], 1.25 * std::sin(double(angle)), 3e-7);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Host, RowKernels, testing::ValuesIn(hostVariants()), [](const auto &info) {
  return std::string(cpu::variantName(info.param));
});

} // namespace
} // namespace tenon::test
