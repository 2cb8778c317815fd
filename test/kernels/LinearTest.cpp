//===- LinearTest.cpp - Matrix products against double precision ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Element.h"
#include "test/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

namespace tenon::test {
namespace {

using cpu::KernelKind;
using cpu::KernelSpec;

/// Input rows for a format: what the kernel reads, and the values it stands for.
struct Input {
  Bytes bytes;
  std::vector<float> values;
};
Input makeInput(bool quant, uint32_t rows, uint32_t k, std::mt19937 &random, uint32_t bits = 15) {
  Bytes x = makeFloats(size_t(rows) * k, random);
  if (!quant)
    return {x, std::vector<float>(x.f32(), x.f32() + size_t(rows) * k)};
  const uint64_t stride = cpu::QuantRowLayout(k, bits).stride();
  Input input{Bytes(rows * stride), {}};
  for (uint32_t r = 0; r < rows; ++r) {
    auto values = quantizeRow(x.f32() + size_t(r) * k, k, input.bytes.data() + r * stride, bits);
    input.values.insert(input.values.end(), values.begin(), values.end());
  }
  return input;
}

std::vector<float> product(const std::vector<float> &x, const std::vector<float> &w, uint32_t rows,
                           uint32_t n, uint32_t k) {
  std::vector<float> out(size_t(rows) * n);
  for (uint32_t r = 0; r < rows; ++r)
    for (uint32_t c = 0; c < n; ++c) {
      double sum = 0;
      for (uint32_t i = 0; i < k; ++i)
        sum += double(x[size_t(r) * k + i]) * w[size_t(c) * k + i];
      out[size_t(r) * n + c] = static_cast<float>(sum);
    }
  return out;
}

KernelSpec linearSpec(WeightFormat format, uint32_t n, uint32_t k, uint32_t bits = 15) {
  KernelSpec spec;
  spec.kind = KernelKind::Linear;
  spec.n = n;
  spec.k = k;
  spec.formats = {format};
  spec.quantIn = !formatInfo(format).isFloat();
  spec.rowBits = bits;
  return spec;
}

class EveryFormat : public testing::TestWithParam<std::tuple<engine::Variant, uint8_t>> {
protected:
  engine::Variant variant() const { return std::get<0>(GetParam()); }
  WeightFormat format() const { return static_cast<WeightFormat>(std::get<1>(GetParam())); }
};

TEST_P(EveryFormat, linearEqualsTheDoublePrecisionProduct) {
  std::mt19937 random(7);
  const std::pair<uint32_t, uint32_t> cases[] = {{16, 15}, {39, 15}, {80, 15}, {80, 8}};
  for (auto [n, bits] : cases) {
    if (bits == 8 && formatInfo(format()).isFloat())
      continue;
    const uint32_t k = formatInfo(format()).isFloat()     ? 77
                       : formatInfo(format()).superScales ? 512
                                                          : 160;
    TestWeight w = makeWeight(format(), n, k, random);
    TestKernel kernel(linearSpec(format(), n, k, bits), variant());
    for (uint32_t rows : {1u, 3u, 13u, 130u}) {
      Input in = makeInput(!formatInfo(format()).isFloat(), rows, k, random, bits);
      Bytes out(size_t(rows) * n * 4);
      TestStep step({{0, rows}});
      kernel.run({in.bytes, w.packed, out}, step.view, 3);
      EXPECT_LT(relativeError(out.f32(), product(in.values, w.values, rows, n, k)), 3e-6)
          << "n " << n << " rows " << rows << " bits " << bits;
    }
  }
}

TEST_P(EveryFormat, aRowHasTheSameBitsWhateverItsNeighboursAndWorkers) {
  std::mt19937 random(11);
  const uint32_t k = formatInfo(format()).isFloat() ? 96 : 256, n = 48, rows = 23;
  TestWeight w = makeWeight(format(), n, k, random);
  for (uint32_t bits : {15u, 8u}) {
    TestKernel kernel(linearSpec(format(), n, k, bits), variant());
    Input in = makeInput(!formatInfo(format()).isFloat(), rows, k, random, bits);
    Bytes all(size_t(rows) * n * 4), alone(n * 4);
    kernel.run({in.bytes, w.packed, all}, TestStep({{0, rows}}).view, 2);
    const size_t stride = in.bytes.size() / rows;
    for (uint32_t r = 0; r < rows; ++r) {
      kernel.run({BufferRef(in.bytes.data() + r * stride, stride), w.packed, alone},
                 TestStep({{0, 1}}).view);
      EXPECT_EQ(std::memcmp(alone.data(), all.data() + size_t(r) * n * 4, n * 4), 0)
          << "row " << r << " bits " << bits;
    }
    // Every number of rows has its own mixture of tiles.
    for (uint32_t few = 2; few <= 16; ++few) {
      Bytes some(size_t(few) * n * 4);
      kernel.run({BufferRef(in.bytes.data(), few * stride), w.packed, some},
                 TestStep({{0, few}}).view);
      EXPECT_EQ(std::memcmp(some.data(), all.data(), some.size()), 0)
          << few << " rows, bits " << bits;
    }
    if (formatInfo(format()).isFloat())
      break;
  }
}

TEST_P(EveryFormat, embedGivesTheRowOfTheToken) {
  std::mt19937 random(3);
  const uint32_t k = formatInfo(format()).superScales ? 256 : 64;
  KernelSpec spec = linearSpec(format(), 40, k);
  spec.kind = KernelKind::Embed;
  spec.quantIn = false;
  spec.scale = 2.5f;
  TestWeight w = makeWeight(format(), 40, k, random);
  TestStep step({{0, 9}});
  Bytes out(9 * k * 4);
  TestKernel(spec, variant()).run({out, w.packed}, step.view, 2);
  std::vector<float> expected;
  for (int32_t id : step.ids)
    for (uint32_t i = 0; i < k; ++i)
      expected.push_back(w.values[size_t(id) * k + i] * 2.5f);
  EXPECT_LT(relativeError(out.f32(), expected), 2e-7);
}

TEST_P(EveryFormat, embedOfAPartGivesZerosForRowsThatOthersHave) {
  std::mt19937 random(4);
  const uint32_t k = formatInfo(format()).superScales ? 256 : 64, rows = 40;
  KernelSpec spec = linearSpec(format(), rows, k);
  spec.kind = KernelKind::Embed;
  spec.quantIn = false;
  spec.partial = true;
  TestWeight w = makeWeight(format(), rows, k, random);
  TestStep step({{0, 5}});
  // The last row that is there, the first that is not, one far beyond, and one before the part.
  const int32_t ids[] = {0, 39, 40, 1 << 20, -1};
  std::copy(std::begin(ids), std::end(ids), step.ids.begin());
  Bytes out = makeFloats(5 * k, random); // Zeros have to be written, not found.
  TestKernel(spec, variant()).run({out, w.packed}, step.view, 2);
  for (uint32_t r = 0; r < 5; ++r) {
    std::vector<float> expected(k);
    if (ids[r] >= 0 && ids[r] < int32_t(rows))
      std::copy_n(w.values.begin() + size_t(ids[r]) * k, k, expected.begin());
    for (uint32_t i = 0; i < k; ++i)
      ASSERT_NEAR(out.f32()[r * k + i], expected[i], 1e-6 * std::abs(expected[i])) << "row " << r;
  }
}

std::vector<uint8_t> allFormats() {
  std::vector<uint8_t> formats;
  for (uint8_t f = 0; f < kNumWeightFormats; ++f)
    formats.push_back(f);
  return formats;
}
INSTANTIATE_TEST_SUITE_P(
    Host, EveryFormat,
    testing::Combine(testing::ValuesIn(hostVariants()), testing::ValuesIn(allFormats())),
    [](const auto &info) {
      return std::string(cpu::variantName(std::get<0>(info.param))) + "_" +
             std::string(formatInfo(static_cast<WeightFormat>(std::get<1>(info.param))).name);
    });

class EveryVariant : public testing::TestWithParam<engine::Variant> {};

TEST_P(EveryVariant, residualAddsToWhatIsThere) {
  std::mt19937 random(5);
  KernelSpec spec = linearSpec(WeightFormat::Q4_1, 64, 96);
  spec.residual = true;
  TestWeight w = makeWeight(WeightFormat::Q4_1, 64, 96, random);
  Input in = makeInput(true, 5, 96, random);
  Bytes out = makeFloats(5 * 64, random);
  std::vector<float> expected = product(in.values, w.values, 5, 64, 96);
  for (size_t i = 0; i < expected.size(); ++i)
    expected[i] += out.f32()[i];
  TestKernel(spec, GetParam()).run({in.bytes, w.packed, out}, TestStep({{0, 5}}).view);
  EXPECT_LT(relativeError(out.f32(), expected), 3e-6);
}

/// The same sums as in f32, each rounded to nearest even, in a last unit of few channels too.
TEST_P(EveryVariant, roundsWhatOtherChipsAddUp) {
  for (const WeightFormat format : {WeightFormat::Q4_1, WeightFormat::BF16}) {
    std::mt19937 random(8);
    KernelSpec spec = linearSpec(format, 83, 96);
    TestWeight w = makeWeight(format, 83, 96, random);
    for (const uint32_t rows : {1u, 37u}) {
      Input in = makeInput(spec.quantIn, rows, 96, random);
      Bytes floats(rows * 83 * 4), halves(rows * 83 * 2);
      TestStep step({{0, rows}});
      spec.bf16Out = false;
      TestKernel(spec, GetParam()).run({in.bytes, w.packed, floats}, step.view);
      spec.bf16Out = true;
      TestKernel(spec, GetParam()).run({in.bytes, w.packed, halves}, step.view);
      const auto *got = reinterpret_cast<const uint16_t *>(halves.data());
      for (uint32_t i = 0; i < rows * 83; ++i)
        ASSERT_EQ(got[i], collective::toBf16(floats.f32()[i]).bits) << "element " << i;
    }
  }
}

TEST_P(EveryVariant, logitsAreCappedAndCountLogitRows) {
  std::mt19937 random(6);
  KernelSpec spec = linearSpec(WeightFormat::Q8_0, 50, 64);
  spec.logits = true;
  spec.softcap = 30;
  TestWeight w = makeWeight(WeightFormat::Q8_0, 50, 64, random);
  Input in = makeInput(true, 2, 64, random);
  Bytes out(3 * 50 * 4);
  TestStep step({{0, 4}, {2, 3}});
  TestKernel(spec, GetParam()).run({in.bytes, w.packed, out}, step.view);
  std::vector<float> expected = product(in.values, w.values, 2, 50, 64);
  for (float &v : expected)
    v = 30 * std::tanh(v / 30);
  EXPECT_LT(relativeError(out.f32(), expected), 3e-6);
  for (int i = 100; i < 150; ++i)
    EXPECT_EQ(out.f32()[i], 0.0f);
}

/// The largest number of each block behind the rows, whatever the number of rows, workers, and NaN
/// among the logits.
TEST_P(EveryVariant, logitsAreFollowedByTheMaximaOfTheirBlocks) {
  const uint32_t n = 32 * 5 + 19, k = 64, blocks = uint32_t(cpu::logitsBlocks(n));
  std::mt19937 random(16);
  KernelSpec spec = linearSpec(WeightFormat::Q4_1, n, k);
  spec.logits = spec.maxima = true;
  TestWeight w = makeWeight(WeightFormat::Q4_1, n, k, random);
  // A scale that is no number makes a channel NaN: f16 d of a panel's first group.
  const auto spoil = [&](uint32_t channel) {
    const PanelLayout panel(WeightFormat::Q4_1, k);
    uint8_t *scale = w.packed.data() + channel / 16 * panel.bytes + panel.scales + channel % 16 * 2;
    scale[0] = 0, scale[1] = 0x7e;
  };
  for (uint32_t channel = 64; channel < 96; ++channel)
    spoil(channel); // a whole block
  spoil(7);
  spoil(n - 1);
  const TestKernel kernel(spec, GetParam());
  for (uint32_t rows : {1u, 3u, 7u, 40u}) {
    std::vector<TestStep::Run> runs;
    for (uint32_t r = 0; r < rows; ++r)
      runs.push_back({r, 1});
    Input in = makeInput(true, rows, k, random);
    Bytes out(size_t(rows) * (n + blocks) * 4 + 4);
    out.f32()[rows * (n + blocks)] = 77;
    kernel.run({in.bytes, w.packed, out}, TestStep(runs).view, 1 + rows % 3);
    for (uint32_t r = 0; r < rows; ++r) {
      EXPECT_TRUE(std::isnan(out.f32()[r * n + 7]));
      for (uint32_t b = 0; b < blocks; ++b) {
        float most = -std::numeric_limits<float>::infinity();
        for (uint32_t c = 32 * b; c < std::min(n, 32 * b + 32); ++c)
          most = std::fmax(most, out.f32()[r * n + c]);
        EXPECT_EQ(out.f32()[rows * n + r * blocks + b], most)
            << rows << " rows, row " << r << ", block " << b;
      }
    }
    EXPECT_EQ(out.f32()[rows * (n + blocks)], 77.0f);
  }
}

/// Where chips put their logits together, a kernel's are columns of longer rows, and its maxima
/// some of theirs.
TEST_P(EveryVariant, logitsOfAChipMayBeColumnsOfWholeRows) {
  const uint32_t n = 32 * 2 + 16, k = 64, whole = 240, first = 96,
                 blocks = uint32_t(cpu::logitsBlocks(n));
  std::mt19937 random(17);
  KernelSpec spec = linearSpec(WeightFormat::Q4_1, n, k);
  spec.logits = true;
  TestWeight w = makeWeight(WeightFormat::Q4_1, n, k, random);
  for (bool maxima : {false, true}) {
    spec.maxima = maxima;
    const TestKernel kernel(spec, GetParam());
    for (uint32_t rows : {1u, 7u, 40u}) {
      TestStep step(std::vector<TestStep::Run>(rows, {0, 1}));
      Input in = makeInput(true, rows, k, random);
      Bytes alone(size_t(rows) * (n + blocks) * 4),
          out(size_t(rows) * (whole + cpu::logitsBlocks(whole)) * 4);
      kernel.run({in.bytes, w.packed, alone}, step.view);
      Bytes expected(out.size());
      std::fill_n(out.f32(), out.size() / 4, 77.0f);
      std::fill_n(expected.f32(), expected.size() / 4, 77.0f);
      for (uint32_t r = 0; r < rows; ++r) {
        std::copy_n(alone.f32() + r * n, n, expected.f32() + r * whole + first);
        if (maxima)
          std::copy_n(alone.f32() + rows * n + r * blocks, blocks,
                      expected.f32() + rows * whole + r * cpu::logitsBlocks(whole) +
                          first / cpu::kLogitsBlock);
      }
      step.view.logitStride = whole;
      step.view.firstLogit = first;
      kernel.run({in.bytes, w.packed, BufferRef(out.data() + first * 4, out.size() - first * 4)},
                 step.view, 1 + rows % 3);
      EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size()), 0)
          << rows << " rows, maxima " << maxima;
    }
  }
}

TEST_P(EveryVariant, gateMultipliesTheActivatedGateWithUp) {
  std::mt19937 random(8);
  for (auto activation : {cpu::Activation::Silu, cpu::Activation::GeluTanh})
    for (uint32_t outBits : {0u, 15u, 8u}) {
      const bool quantOut = outBits != 0;
      const uint32_t bits = quantOut ? outBits : 15;
      KernelSpec spec = linearSpec(WeightFormat::Q5_0, 96, 64, bits);
      spec.kind = KernelKind::LinearGate;
      spec.formats = {WeightFormat::Q5_0, WeightFormat::Q8_0};
      spec.activation = activation;
      spec.quantOut = quantOut;
      TestWeight gate = makeWeight(WeightFormat::Q5_0, 96, 64, random);
      TestWeight up = makeWeight(WeightFormat::Q8_0, 96, 64, random);
      const uint32_t rows = 11;
      Input in = makeInput(true, rows, 64, random, bits);
      const size_t stride = quantOut ? cpu::QuantRowLayout(96, bits).stride() : 96 * 4;
      Bytes out(rows * stride);
      TestKernel(spec, GetParam())
          .run({in.bytes, gate.packed, up.packed, out}, TestStep({{0, rows}}).view, 2);
      std::vector<float> g = product(in.values, gate.values, rows, 96, 64);
      std::vector<float> u = product(in.values, up.values, rows, 96, 64);
      for (size_t i = 0; i < g.size(); ++i) {
        double x = g[i];
        double a =
            activation == cpu::Activation::Silu
                ? x / (1 + std::exp(-x))
                : 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        u[i] = static_cast<float>(a * u[i]);
      }
      for (uint32_t r = 0; r < rows; ++r) {
        std::vector<float> row(u.begin() + r * 96, u.begin() + (r + 1) * 96);
        if (!quantOut) {
          EXPECT_LT(relativeError(out.f32() + r * 96, row), 5e-6);
          continue;
        }
        auto got = dequantizeQuantRow(out.data() + r * stride, 96, bits);
        EXPECT_LT(relativeError(got.data(), row),
                  0.6 / cpu::QuantRowLayout(96, bits).steps() + 5e-6);
      }
    }
}

/// Runs `body(variant)` on every variant at hand; all must return the same bytes.
void expectEqualBits(const std::string &what, llvm::function_ref<Bytes(engine::Variant)> body) {
  std::optional<Bytes> first;
  for (engine::Variant variant : hostVariants()) {
    Bytes bytes = body(variant);
    if (first)
      EXPECT_EQ(std::memcmp(first->data(), bytes.data(), bytes.size()), 0)
          << what << " on " << cpu::variantName(variant);
    else
      first = bytes;
  }
}

TEST(AllVariants, giveTheSameBitsForEveryFormat) {
  for (uint8_t f = 0; f < kNumWeightFormats; ++f) {
    const auto format = static_cast<WeightFormat>(f);
    std::mt19937 random(21);
    const uint32_t k = 512, n = 48, rows = 11;
    TestWeight w = makeWeight(format, n, k, random);
    for (uint32_t bits : {15u, 8u}) {
      Input in = makeInput(!formatInfo(format).isFloat(), rows, k, random, bits);
      expectEqualBits(std::string(formatInfo(format).name), [&](engine::Variant variant) {
        Bytes out(rows * n * 4);
        TestKernel(linearSpec(format, n, k, bits), variant)
            .run({in.bytes, w.packed, out}, TestStep({{0, rows}}).view);
        return out;
      });
      if (formatInfo(format).isFloat())
        break;
    }
  }
}

TEST(AllVariants, giveTheSameBitsForGateAndQuantiser) {
  std::mt19937 random(22);
  KernelSpec spec = linearSpec(WeightFormat::Q4_0, 64, 96);
  spec.kind = KernelKind::LinearGate;
  spec.formats = {WeightFormat::Q4_0, WeightFormat::Q4_0};
  spec.activation = cpu::Activation::Silu;
  spec.quantOut = true;
  TestWeight gate = makeWeight(WeightFormat::Q4_0, 64, 96, random),
             up = makeWeight(WeightFormat::Q4_0, 64, 96, random);
  Input in = makeInput(true, 9, 96, random);
  expectEqualBits("gate", [&](engine::Variant variant) {
    Bytes out(9 * cpu::QuantRowLayout(64).stride());
    TestKernel(spec, variant).run({in.bytes, gate.packed, up.packed, out}, TestStep({{0, 9}}).view);
    return out;
  });
}

/// A last block of few rows counted as much as a whole one once, and one worker had most of the
/// work.
TEST(LinearShares, whatWorkersHaveBeforehandTakesEachAsLong) {
  std::mt19937 random(23);
  const uint32_t k = 64, n = 512, block = 128;
  TestWeight w = makeWeight(WeightFormat::Q4_0, n, k, random);
  const engine::Variant variant = nativeVariants().front();
  TestKernel kernel(linearSpec(WeightFormat::Q4_0, n, k), variant);
  for (uint32_t rows : {40u, 128u, 129u, 200u, 257u, 300u}) {
    Input in = makeInput(true, rows, k, random);
    for (uint32_t workers : {2u, 3u}) {
      uint32_t fewest = UINT32_MAX, most = 0;
      for (uint32_t worker = 0; worker < workers; ++worker) {
        Bytes out(size_t(rows) * n * 4);
        std::fill_n(out.f32(), size_t(rows) * n, NAN);
        kernel.runFixedShare({in.bytes, w.packed, out}, TestStep({{0, rows}}).view, worker,
                             workers);
        uint32_t made = 0;
        for (size_t i = 0; i < size_t(rows) * n; ++i)
          made += !std::isnan(out.f32()[i]);
        fewest = std::min(fewest, made);
        most = std::max(most, made);
      }
      // They differ by one unit of channels of a block at most.
      EXPECT_GT(fewest, 0u) << rows << " rows, " << workers << " workers";
      EXPECT_LE(most - fewest, 32 * std::min(rows, block))
          << rows << " rows, " << workers << " workers";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Host, EveryVariant, testing::ValuesIn(hostVariants()),
                         [](const auto &info) {
                           return std::string(cpu::variantName(info.param));
                         });

} // namespace
} // namespace tenon::test
