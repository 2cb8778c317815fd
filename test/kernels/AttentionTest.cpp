//===- AttentionTest.cpp - QKV with cache, then attention -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/kernels/KernelHarness.h"

#include <cmath>
#include <cstring>

namespace tenon::test {
namespace {

using cpu::KernelKind;
using cpu::KernelSpec;

struct Shape {
  uint32_t heads, kvHeads, headDim, window;
  float softcap;
  uint32_t group = 0, skippedHeads = 0;
  uint32_t kvHeadOf(uint32_t head) const {
    return (head + skippedHeads) / (group ? group : heads / kvHeads);
  }
};

/// Shapes whose first and last KV heads have fewer query heads than the others.
const Shape kPartsOfGroups[] = {{5, 2, 64, 0, 0, 3, 0},
                                {4, 2, 64, 0, 0, 3, 2},
                                {7, 3, 80, 40, 0, 3, 1},
                                {6, 3, 32, 0, 20, 4, 3}};

KernelSpec attentionSpec(const Shape &s, bool quantOut) {
  KernelSpec spec;
  spec.kind = KernelKind::Attention;
  spec.heads = s.heads;
  spec.kvHeads = s.kvHeads;
  spec.headDim = s.headDim;
  spec.group = s.group;
  spec.skippedHeads = s.skippedHeads;
  spec.window = s.window;
  spec.softcap = s.softcap;
  spec.quantOut = quantOut;
  return spec;
}

/// Random pools; keys and values read back as the kernel sees them.
struct Pools {
  Bytes k, v;
  Shape shape;
  const TestStep &step;
  Pools(const Shape &s, const TestStep &step, std::mt19937 &random)
      : k(size_t(step.numBlocks) * s.kvHeads * s.headDim * cpu::kBlockTokens * 2), v(k.size()),
        shape(s), step(step) {
    for (Bytes *pool : {&k, &v})
      for (size_t i = 0; i < pool->size() / 2; ++i)
        pool->u16()[i] = static_cast<uint16_t>((random() & 0x83ff) | ((11 + random() % 5) << 10));
  }
  size_t block(uint32_t sequence, uint32_t position) const {
    return step.tables[sequence * step.view.blockTableStride + position / cpu::kBlockTokens];
  }
  size_t keyIndex(uint32_t seq, uint32_t p, uint32_t h, uint32_t d) const {
    return ((block(seq, p) * shape.kvHeads + h) * shape.headDim + d) * cpu::kBlockTokens +
           p % cpu::kBlockTokens;
  }
  size_t valueIndex(uint32_t seq, uint32_t p, uint32_t h, uint32_t d) const {
    return ((block(seq, p) * shape.kvHeads + h) * cpu::kBlockTokens + p % cpu::kBlockTokens) *
               shape.headDim +
           d;
  }
  double key(uint32_t seq, uint32_t p, uint32_t h, uint32_t d) const {
    return halfToFloat(k.u16()[keyIndex(seq, p, h, d)]);
  }
  double value(uint32_t seq, uint32_t p, uint32_t h, uint32_t d) const {
    return halfToFloat(v.u16()[valueIndex(seq, p, h, d)]);
  }
};

std::vector<float> attend(const Pools &pools, const float *q, const TestStep &step) {
  const Shape &s = pools.shape;
  std::vector<float> out(step.ids.size() * s.heads * s.headDim);
  for (uint32_t r = 0; r < step.ids.size(); ++r)
    for (uint32_t h = 0; h < s.heads; ++h) {
      const uint32_t seq = step.sequence[r], last = step.positions[r], kv = s.kvHeadOf(h);
      const uint32_t first = s.window && last + 1 > s.window ? last + 1 - s.window : 0;
      const float *query = q + (size_t(r) * s.heads + h) * s.headDim;
      std::vector<double> p;
      double top = -1e300, total = 0;
      for (uint32_t j = first; j <= last; ++j) {
        double dot = 0;
        for (uint32_t d = 0; d < s.headDim; ++d)
          dot += query[d] * pools.key(seq, j, kv, d);
        if (s.softcap != 0)
          dot = s.softcap * std::tanh(dot / s.softcap);
        p.push_back(dot);
        top = std::max(top, dot);
      }
      for (double &x : p)
        total += x = std::exp(x - top);
      for (uint32_t d = 0; d < s.headDim; ++d) {
        double sum = 0;
        for (uint32_t j = first; j <= last; ++j)
          sum += p[j - first] * pools.value(seq, j, kv, d);
        out[(size_t(r) * s.heads + h) * s.headDim + d] = static_cast<float>(sum / total);
      }
    }
  return out;
}

class Attention : public testing::TestWithParam<engine::Variant> {};

TEST_P(Attention, equalsSoftmaxInDoublePrecision) {
  std::mt19937 random(1);
  std::vector<Shape> shapes = {
      {9, 3, 64, 0, 0}, {4, 1, 256, 40, 0}, {6, 3, 80, 0, 20}, {2, 2, 16, 70, 0}, {8, 1, 96, 0, 0}};
  shapes.insert(shapes.end(), std::begin(kPartsOfGroups), std::end(kPartsOfGroups));
  for (Shape s : shapes) {
    TestStep step({{0, 1}, {7, 1}, {200, 1}, {0, 75}, {61, 10}, {600, 1}, {230, 40}});
    Pools pools(s, step, random);
    Bytes q = makeFloats(step.ids.size() * s.heads * s.headDim, random, 0.4f);
    Bytes out(q.size());
    TestKernel(attentionSpec(s, false), GetParam()).run({q, pools.k, pools.v, out}, step.view, 2);
    EXPECT_LT(relativeError(out.f32(), attend(pools, q.f32(), step)), 1e-5)
        << "head size " << s.headDim;
  }
}

/// Outputs of a step; partial results of rows that workers share go through a buffer of zeros where
/// `context` is set.
Bytes outputsOf(const TestKernel &kernel, const KernelSpec &spec, const Pools &pools,
                const Bytes &q, const TestStep &step, uint32_t workers) {
  Bytes out(q.size()), partials(workers * cpu::attentionPartialBytes(spec));
  std::vector<BufferRef> buffers{q, pools.k, pools.v, out};
  if (spec.context)
    buffers.push_back(partials);
  kernel.run(buffers, step.view, workers);
  return out;
}

bool sameBits(const Bytes &a, const Bytes &b) {
  return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size());
}

TEST_P(Attention, aRowGivesTheSameBitsInAnyTileAndForAnyNumberOfWorkers) {
  std::mt19937 random(2);
  const std::vector<TestStep::Run> runs{{3, 70}, {300, 1}, {240, 45}, {900, 1}, {511, 3}, {513, 2}};
  for (Shape s :
       {Shape{9, 3, 64, 0, 0}, {4, 1, 256, 40, 0}, {2, 2, 32, 300, 30}, {7, 3, 80, 40, 0, 3, 1}}) {
    TestStep single(runs, 1);
    Pools pools(s, single, random);
    Bytes q = makeFloats(single.ids.size() * s.heads * s.headDim, random);
    KernelSpec alone = attentionSpec(s, false), shared = alone;
    shared.context = 1000;
    TestKernel aloneKernel(alone, GetParam()), sharedKernel(shared, GetParam());
    const Bytes expected = outputsOf(aloneKernel, alone, pools, q, single, 1);
    // Emulated, every run takes a second.
    const bool emulated = !cpu::missingFor(GetParam(), cpu::cpuFeatures()).empty();
    for (uint32_t rows :
         emulated ? std::vector{5u} : std::vector{1u, 5u, cpu::kAttentionTileRows}) {
      TestStep tiled(runs, rows);
      for (uint32_t workers : emulated ? std::vector{3u} : std::vector{1u, 2u, 3u, 16u}) {
        EXPECT_TRUE(sameBits(outputsOf(aloneKernel, alone, pools, q, tiled, workers), expected))
            << rows << " x " << workers;
        EXPECT_TRUE(sameBits(outputsOf(sharedKernel, shared, pools, q, tiled, workers), expected))
            << rows << " x " << workers;
      }
    }
  }
}

TEST_P(Attention, headsGiveTheSameBitsOnAChipThatHasPartOfTheirGroup) {
  std::mt19937 random(8);
  const Shape whole{9, 3, 64, 0, 0};
  TestStep step({{600, 1}, {30, 1}, {230, 40}});
  Pools pools(whole, step, random);
  const size_t rows = step.ids.size(), headBytes = whole.headDim * 4;
  Bytes q = makeFloats(rows * whole.heads * whole.headDim, random, 0.4f);
  KernelSpec spec = attentionSpec(whole, false);
  spec.context = 1000;
  const Bytes expected = outputsOf(TestKernel(spec, GetParam()), spec, pools, q, step, 1);
  for (auto [firstHead, firstKvHead, s] : {std::tuple{0u, 0u, Shape{5, 2, 64, 0, 0, 3, 0}},
                                           std::tuple{5u, 1u, Shape{4, 2, 64, 0, 0, 3, 2}}}) {
    Pools part(s, step, random);
    const size_t headOfBlock = size_t(whole.headDim) * cpu::kBlockTokens * 2;
    for (uint32_t block = 0; block < step.numBlocks; ++block)
      for (uint32_t h = 0; h < s.kvHeads; ++h) {
        const size_t to = (size_t(block) * s.kvHeads + h) * headOfBlock;
        const size_t from = (size_t(block) * whole.kvHeads + firstKvHead + h) * headOfBlock;
        std::memcpy(part.k.data() + to, pools.k.data() + from, headOfBlock);
        std::memcpy(part.v.data() + to, pools.v.data() + from, headOfBlock);
      }
    const auto partOf = [&](const Bytes &all) {
      Bytes rowsOfPart(rows * s.heads * headBytes);
      for (size_t r = 0; r < rows; ++r)
        std::memcpy(rowsOfPart.data() + r * s.heads * headBytes,
                    all.data() + (r * whole.heads + firstHead) * headBytes, s.heads * headBytes);
      return rowsOfPart;
    };
    KernelSpec own = attentionSpec(s, false);
    own.context = spec.context;
    const TestKernel kernel(own, GetParam());
    for (uint32_t workers : {1u, 3u})
      EXPECT_TRUE(
          sameBits(outputsOf(kernel, own, part, partOf(q), step, workers), partOf(expected)))
          << "from head " << firstHead << ", " << workers << " workers";
    // The same heads where they lie in a pool of more.
    TestStep shared({{600, 1}, {30, 1}, {230, 40}});
    shared.view.poolHeads = whole.kvHeads;
    const auto from = [&](const Bytes &pool) {
      return BufferRef(pool.data() + firstKvHead * headOfBlock,
                       pool.size() - firstKvHead * headOfBlock);
    };
    const Bytes queries = partOf(q);
    Bytes out(queries.size()), partials(cpu::attentionPartialBytes(own));
    kernel.run({queries, from(pools.k), from(pools.v), out, partials}, shared.view);
    EXPECT_TRUE(sameBits(out, partOf(expected)))
        << "from head " << firstHead << " of a shared pool";
  }
}

TEST_P(Attention, chipsThatShareAPoolWriteEachHeadOnce) {
  std::mt19937 random(9);
  const uint32_t heads = 6, kvHeads = 3, headDim = 64, k = 96, rowBytes = headDim * 4;
  KernelSpec spec;
  spec.kind = KernelKind::LinearQkv;
  spec.k = k;
  spec.heads = heads;
  spec.kvHeads = kvHeads;
  spec.headDim = spec.rotary = headDim;
  spec.formats = {WeightFormat::Q4_1, WeightFormat::Q4_1, WeightFormat::Q5_0};
  spec.quantIn = true;
  TestWeight wq = makeWeight(spec.formats[0], heads * headDim, k, random),
             wk = makeWeight(spec.formats[1], kvHeads * headDim, k, random),
             wv = makeWeight(spec.formats[2], kvHeads * headDim, k, random);
  TestStep step({{0, 13}, {30, 1}, {15, 3}});
  const uint32_t rows = step.ids.size();
  Bytes x(rows * cpu::QuantRowLayout(k).stride()), table = makeFloats(rows * headDim, random);
  for (uint32_t r = 0; r < rows; ++r)
    quantizeRow(makeFloats(k, random).f32(), k, x.data() + r * cpu::QuantRowLayout(k).stride());
  const Pools before({heads, kvHeads, headDim, 0, 0}, step, random);
  const auto copyOf = [&] {
    Pools pools = before;
    for (Bytes *pool : {&pools.k, &pools.v}) { // Bytes share what they hold.
      Bytes own(pool->size());
      std::memcpy(own.data(), pool->data(), own.size());
      *pool = own;
    }
    return pools;
  };
  const Pools expected = copyOf(), shared = copyOf();
  Bytes q(rows * heads * rowBytes);
  TestKernel(spec, GetParam())
      .run({x, wq.packed, wk.packed, wv.packed, q, expected.k, expected.v, table}, step.view);

  spec.heads = heads / 2;
  spec.kvHeads = 2;
  const TestKernel kernel(spec, GetParam());
  const size_t poolHead = size_t(headDim) * cpu::kBlockTokens * 2;
  const auto run = [&](uint32_t chip, uint32_t workers) {
    const auto headsFrom = [&](const TestWeight &w, WeightFormat format, uint32_t head) {
      const size_t skipped = head * (headDim / 16) * PanelLayout(format, k).bytes;
      return BufferRef(w.packed.data() + skipped, w.packed.size() - skipped);
    };
    const auto poolFrom = [&](const Bytes &pool) {
      return BufferRef(pool.data() + chip * poolHead, pool.size() - chip * poolHead);
    };
    Bytes part(rows * spec.heads * rowBytes);
    kernel.run({x, headsFrom(wq, spec.formats[0], chip * spec.heads),
                headsFrom(wk, spec.formats[1], chip), headsFrom(wv, spec.formats[2], chip), part,
                poolFrom(shared.k), poolFrom(shared.v), table},
               step.view, workers);
    for (uint32_t r = 0; r < rows; ++r)
      EXPECT_EQ(std::memcmp(part.data() + r * spec.heads * rowBytes,
                            q.data() + (r * heads + chip * spec.heads) * rowBytes,
                            spec.heads * rowBytes),
                0)
          << "chip " << chip << ", row " << r;
  };
  // KV heads 0 and 1, then 1 and 2: the keys of head 1 are the first chip's, its values the
  // second's.
  step.view.poolHeads = kvHeads;
  step.view.skippedValues = 1;
  run(0, 2);
  for (uint32_t r = 0; r < rows; ++r)
    for (uint32_t d = 0; d < headDim; ++d) {
      const uint32_t p = step.positions[r], s = step.sequence[r];
      ASSERT_EQ(shared.key(s, p, 1, d), expected.key(s, p, 1, d));
      ASSERT_EQ(shared.value(s, p, 1, d), before.value(s, p, 1, d))
          << "written by a chip that leaves it to another";
    }
  step.view.skippedValues = 0;
  step.view.skippedKeys = 1;
  run(1, 1);
  EXPECT_TRUE(sameBits(shared.k, expected.k));
  EXPECT_TRUE(sameBits(shared.v, expected.v));
}

TEST_P(Attention, workersThatShareRowsMayFinishInAnyOrder) {
  if (!cpu::missingFor(GetParam(), cpu::cpuFeatures()).empty())
    GTEST_SKIP() << "threads run on native variants only";
  std::mt19937 random(5);
  const Shape s{3, 1, 64, 0, 0};
  KernelSpec spec = attentionSpec(s, false);
  spec.context = 4096;
  TestKernel kernel(spec, GetParam());
  TestStep step({{4000, 1}, {1300, 1}, {700, 9}});
  Pools pools(s, step, random);
  Bytes q = makeFloats(step.ids.size() * s.heads * s.headDim, random);
  const Bytes expected = outputsOf(kernel, spec, pools, q, step, 1);
  // Launch after launch on the same partials, as the layers of a model.
  const uint32_t workers = 4;
  Bytes partials(workers * cpu::attentionPartialBytes(spec));
  for (int launch = 0; launch < 50; ++launch) {
    Bytes out(q.size());
    kernel.runThreads({q, pools.k, pools.v, out, partials}, step.view, workers);
    ASSERT_TRUE(sameBits(out, expected)) << "launch " << launch;
  }
}

TEST_P(Attention, readsNoValueBehindTheLastKeyNorFarBeforeTheWindow) {
  std::mt19937 random(6);
  const uint16_t nan = 0x7e00;
  for (bool tile : {false, true}) {
    const Shape s{4, 2, 64, 100, 0};
    const uint32_t first = 700, rows = tile ? 5 : 1;
    TestStep step({{first, rows}});
    Pools pools(s, step, random);
    Bytes q = makeFloats(rows * s.heads * s.headDim, random, 0.3f);
    const std::vector<float> expected = attend(pools, q.f32(), step);
    const uint32_t oldest = first + 1 - s.window,
                   slots = step.view.blockTableStride * cpu::kBlockTokens;
    for (uint32_t p = 0; p < slots; ++p) // 64 keys are what is read together
      if (p < oldest / 64 * 64 || p >= first + rows)
        for (uint32_t h = 0; h < s.kvHeads; ++h)
          for (uint32_t d = 0; d < s.headDim; ++d)
            pools.k.u16()[pools.keyIndex(0, p, h, d)] =
                pools.v.u16()[pools.valueIndex(0, p, h, d)] = nan;
    const KernelSpec spec = attentionSpec(s, false);
    const Bytes out = outputsOf(TestKernel(spec, GetParam()), spec, pools, q, step, 1);
    EXPECT_LT(relativeError(out.f32(), expected), 1e-5) << rows << " rows";
  }
}

TEST(AllVariants, giveTheSameBitsForAttention) {
  for (Shape s : {Shape{9, 3, 64, 0, 0}, {4, 1, 256, 40, 0}, {6, 3, 80, 0, 20}}) {
    std::mt19937 random(23);
    TestStep step({{600, 1}, {230, 40}, {0, 3}});
    Pools pools(s, step, random);
    Bytes q = makeFloats(step.ids.size() * s.heads * s.headDim, random), first;
    for (engine::Variant variant : hostVariants()) {
      const KernelSpec spec = attentionSpec(s, false);
      const Bytes out = outputsOf(TestKernel(spec, variant), spec, pools, q, step, 2);
      if (first.size() == 0)
        first = out;
      EXPECT_TRUE(sameBits(out, first)) << cpu::variantName(variant) << ", head size " << s.headDim;
    }
  }
}

TEST_P(Attention, quantisedOutputIsTheQuantisedFloatOutput) {
  std::mt19937 random(3);
  Shape s{6, 3, 64, 0, 0};
  TestStep step({{0, 6}, {90, 1}});
  Pools pools(s, step, random);
  const uint32_t columns = 6 * 64, rows = 7;
  const uint64_t stride = cpu::QuantRowLayout(columns).stride();
  Bytes q = makeFloats(rows * columns, random), plain(rows * columns * 4), quant(rows * stride),
        expected(rows * stride);
  TestKernel(attentionSpec(s, false), GetParam()).run({q, pools.k, pools.v, plain}, step.view);
  TestKernel(attentionSpec(s, true), GetParam()).run({q, pools.k, pools.v, quant}, step.view, 2);
  for (uint32_t r = 0; r < rows; ++r)
    quantizeRow(plain.f32() + r * columns, columns, expected.data() + r * stride);
  EXPECT_EQ(std::memcmp(quant.data(), expected.data(), quant.size()), 0);
}

TEST_P(Attention, qkvNormsRotatesAndWritesTheCache) {
  std::mt19937 random(4);
  for (bool norm : {false, true})
    for (uint32_t rotary : {64u, 40u}) {
      const uint32_t heads = 4, kvHeads = 2, headDim = 64, k = 96, half = rotary / 2;
      KernelSpec spec;
      spec.kind = KernelKind::LinearQkv;
      spec.k = k;
      spec.heads = heads;
      spec.kvHeads = kvHeads;
      spec.headDim = headDim;
      spec.rotary = rotary;
      spec.qkNorm = norm;
      spec.eps = 1e-6f;
      spec.attentionScale = 0.125f;
      spec.formats = {WeightFormat::F32, WeightFormat::BF16, WeightFormat::F32};
      TestWeight wq = makeWeight(WeightFormat::F32, heads * headDim, k, random);
      TestWeight wk = makeWeight(WeightFormat::BF16, kvHeads * headDim, k, random);
      TestWeight wv = makeWeight(WeightFormat::F32, kvHeads * headDim, k, random);
      TestStep step({{0, 13}, {30, 1}, {15, 3}});
      const uint32_t rows = step.ids.size();
      Pools pools({heads, kvHeads, headDim, 0, 0}, step, random);
      Bytes x = makeFloats(rows * k, random), q(rows * heads * headDim * 4),
            table = makeFloats(rows * rotary, random);
      Bytes qNorm = makeFloats(headDim, random), kNorm = makeFloats(headDim, random);
      TestKernel(spec, GetParam())
          .run({x, wq.packed, wk.packed, wv.packed, q, pools.k, pools.v, table, qNorm, kNorm},
               step.view, 2);
      auto head = [&](const TestWeight &w, uint32_t r, uint32_t h, const Bytes *normWeight,
                      bool rotate) {
        std::vector<double> v(headDim), rotated(headDim);
        double squares = 0;
        for (uint32_t d = 0; d < headDim; ++d) {
          for (uint32_t i = 0; i < k; ++i)
            v[d] += double(x.f32()[r * k + i]) * w.values[size_t(h * headDim + d) * k + i];
          squares += v[d] * v[d];
        }
        if (norm && normWeight)
          for (uint32_t d = 0; d < headDim; ++d)
            v[d] = v[d] / std::sqrt(squares / headDim + 1e-6) * normWeight->f32()[d];
        rotated = v;
        for (uint32_t i = 0; rotate && i < half; ++i) {
          double c = table.f32()[r * rotary + i], s = table.f32()[r * rotary + half + i];
          rotated[i] = v[i] * c - v[i + half] * s;
          rotated[i + half] = v[i + half] * c + v[i] * s;
        }
        return rotated;
      };
      for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t h = 0; h < heads; ++h) {
          auto expected = head(wq, r, h, &qNorm, true);
          for (uint32_t d = 0; d < headDim; ++d)
            ASSERT_NEAR(q.f32()[(r * heads + h) * headDim + d], expected[d] * 0.125, 2e-4);
        }
        for (uint32_t h = 0; h < kvHeads; ++h) {
          auto key = head(wk, r, h, &kNorm, true), value = head(wv, r, h, nullptr, false);
          for (uint32_t d = 0; d < headDim; ++d) {
            uint32_t p = step.positions[r], s = step.sequence[r];
            ASSERT_NEAR(pools.key(s, p, h, d), key[d], std::fabs(key[d]) * 1e-3 + 1e-3);
            ASSERT_NEAR(pools.value(s, p, h, d), value[d], std::fabs(value[d]) * 1e-3 + 1e-3);
          }
        }
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Host, Attention, testing::ValuesIn(hostVariants()), [](const auto &info) {
  return std::string(cpu::variantName(info.param));
});

} // namespace
} // namespace tenon::test
