//===- KernelBench.cpp - Speed of single kernels --------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// One thread, processor time. Counters: GMAC/s and weight GB/s, to be held against the machine's
// peaks.
//   tenon-kernel-bench --benchmark_filter='linear/avx512/q4_1'

#include "test/kernels/KernelHarness.h"

#include <benchmark/benchmark.h>

#include <fmt/core.h>

#include <cstring>

using namespace tenon;
using namespace tenon::test;

namespace {

/// Enough weight matrices in turn that they come from beyond L2 where `beyondL2`.
struct LinearCase {
  cpu::KernelSpec spec;
  std::vector<TestWeight> weights;
  TestKernel kernel;
  LinearCase(WeightFormat format, uint32_t n, uint32_t k, engine::Variant variant, size_t bytes)
      : spec(makeSpec(format, n, k)), kernel(spec, variant) {
    std::mt19937 random(1);
    size_t count = std::max<size_t>(1, bytes / packedBytes(format, n, k));
    weights.push_back(makeWeight(format, n, k, random));
    for (size_t i = 1; i < count; ++i) {
      TestWeight copy{Bytes(weights[0].packed.size()), {}};
      std::memcpy(copy.packed.data(), weights[0].packed.data(), copy.packed.size());
      weights.push_back(copy);
    }
  }
  static cpu::KernelSpec makeSpec(WeightFormat format, uint32_t n, uint32_t k) {
    cpu::KernelSpec spec;
    spec.kind = cpu::KernelKind::Linear;
    spec.n = n;
    spec.k = k;
    spec.formats = {format};
    spec.quantIn = !formatInfo(format).isFloat();
    return spec;
  }
};

void linear(benchmark::State &state, engine::Variant variant, WeightFormat format, uint32_t rows,
            size_t bytes) {
  const uint32_t n = 1536, k = formatInfo(format).superScales ? 512 : 576;
  LinearCase c(format, n, k, variant, bytes);
  std::mt19937 random(2);
  Bytes x = makeFloats(size_t(rows) * k, random);
  const uint64_t stride = c.spec.quantIn ? cpu::QuantRowLayout(k).stride() : k * 4;
  Bytes in(rows * stride), out(size_t(rows) * n * 4);
  for (uint32_t r = 0; r < rows; ++r)
    if (c.spec.quantIn)
      quantizeRow(x.f32() + size_t(r) * k, k, in.data() + r * stride);
  TestStep step({{0, rows}});
  size_t turn = 0;
  for (auto _ : state) {
    c.kernel.run({in, c.weights[turn].packed, out}, step.view);
    turn = (turn + 1) % c.weights.size();
  }
  const double runs = state.iterations();
  state.counters["GMAC/s"] =
      benchmark::Counter(runs * rows * n * k / 1e9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] =
      benchmark::Counter(runs * packedBytes(format, n, k) / 1e9, benchmark::Counter::kIsRate);
}

struct AttentionShape {
  uint32_t heads, kvHeads, headDim;
  std::string name() const { return fmt::format("{}x{}x{}", heads, kvHeads, headDim); }
};

/// `rows` rows from position `first`. Layers in turn until their keys and values are `bytes`: a
/// decode finds none of them in L2.
void attention(benchmark::State &state, engine::Variant variant, AttentionShape shape,
               uint32_t first, uint32_t rows, size_t bytes) {
  cpu::KernelSpec spec;
  spec.kind = cpu::KernelKind::Attention;
  spec.heads = shape.heads;
  spec.kvHeads = shape.kvHeads;
  spec.headDim = shape.headDim;
  spec.quantOut = true;
  TestKernel kernel(spec, variant);
  TestStep step({{first, rows}});
  std::mt19937 random(3);
  const uint32_t columns = shape.heads * shape.headDim;
  Bytes q = makeFloats(size_t(rows) * columns, random, 0.3f),
        out(rows * cpu::QuantRowLayout(columns).stride());
  const size_t poolBytes = size_t(step.numBlocks) * shape.kvHeads * shape.headDim * 32;
  std::vector<Bytes> pools;
  for (size_t made = 0; pools.empty() || made < bytes; made += 2 * poolBytes)
    for (int i = 0; i < 2; ++i) {
      Bytes &pool = pools.emplace_back(poolBytes);
      for (size_t e = 0; e < poolBytes / 2; ++e) // normal numbers of both signs below 2
        pool.u16()[e] = static_cast<uint16_t>((e * 40503) & 0xbbff);
    }
  size_t turn = 0;
  for (auto _ : state) {
    kernel.run({q, pools[turn], pools[turn + 1], out}, step.view);
    turn = (turn + 2) % pools.size();
  }
  double keys = 0;
  for (uint32_t r = 0; r < rows; ++r)
    keys += first + r + 1;
  const double runs = state.iterations();
  state.counters["GMAC/s"] =
      benchmark::Counter(runs * keys * columns * 2 / 1e9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] =
      benchmark::Counter(runs * 2 * poolBytes / 1e9, benchmark::Counter::kIsRate);
}

} // namespace

int main(int argc, char **argv) {
  for (engine::Variant v : nativeVariants()) {
    const std::string variant(cpu::variantName(v));
    for (uint32_t f = 0; f < kNumWeightFormats; ++f)
      for (uint32_t rows : {1u, 4u, 16u, 128u}) {
        auto format = static_cast<WeightFormat>(f);
        std::string name = "linear/" + variant + "/" + std::string(formatInfo(format).name) +
                           "/rows:" + std::to_string(rows);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &s) {
          linear(s, v, format, rows, rows > 16 ? 0 : 8 << 20);
        });
      }
    for (AttentionShape shape : {AttentionShape{9, 3, 64}, {4, 1, 256}, {32, 8, 64}})
      for (auto [first, rows] :
           {std::pair(511u, 1u), {4095u, 1u}, {8191u, 1u}, {0u, 512u}, {0u, 2048u}}) {
        const std::string name =
            fmt::format("attention/{}/{}/first:{}/rows:{}", variant, shape.name(), first, rows);
        benchmark::RegisterBenchmark(
            name.c_str(), [=, first = first, rows = rows](benchmark::State &s) {
              attention(s, v, shape, first, rows, rows == 1 ? 12 << 20 : 0);
            });
      }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
