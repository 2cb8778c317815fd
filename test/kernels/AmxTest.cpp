//===- AmxTest.cpp - Where tile instructions stand ------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// That the numbers are right is tested in LinearTest.cpp, on AMX or with trapped tile instructions.

#include "test/kernels/KernelHarness.h"

#include "llvm/ADT/StringRef.h"

namespace tenon::test {
namespace {

cpu::KernelSpec linearSpec(WeightFormat format, uint32_t n, uint32_t k) {
  cpu::KernelSpec spec;
  spec.kind = cpu::KernelKind::Linear;
  spec.n = n;
  spec.k = k;
  spec.formats = {format};
  spec.quantIn = true;
  return spec;
}

/// The assembly of the kernel's tile products, one string for each function.
std::vector<std::string> tileFunctions(WeightFormat format, uint32_t n, uint32_t k) {
  auto text = cpu::dumpKernels({linearSpec(format, n, k)}, {std::string("kernel")},
                               engine::Variant::Amx, cpu::KernelStage::Assembly);
  EXPECT_TRUE(bool(text));
  std::vector<std::string> functions;
  llvm::StringRef rest = *text;
  for (size_t at; (at = rest.find("\namx_")) != llvm::StringRef::npos;) {
    rest = rest.drop_front(at + 1);
    functions.push_back(rest.take_front(rest.find("\n.Lfunc_end")).str());
  }
  return functions;
}

size_t occurrences(llvm::StringRef text, llvm::StringRef what) { return text.count(what); }

TEST(AmxTiles, areConfiguredBeforeTheGroupsAndReleasedAfterThem) {
  const std::vector<std::string> functions = tileFunctions(WeightFormat::Q4_1, 48, 576);
  ASSERT_EQ(functions.size(),
            5u); // first, second and other tiles of two panels; first and others of the last
  for (llvm::StringRef f : functions) {
    EXPECT_EQ(occurrences(f, "ldtilecfg"), 1u);
    EXPECT_EQ(occurrences(f, "tilerelease"), 1u);
    EXPECT_LT(f.find("ldtilecfg"), f.find("tileloadd"));
    EXPECT_GT(f.find("tilerelease"), f.rfind("tilestored"));
    EXPECT_EQ(occurrences(f, "sttilecfg"), 0u);
    const size_t panels = f.take_until([](char c) { return c == ':'; }).contains("_p2") ? 2 : 1;
    EXPECT_EQ(occurrences(f, "tdpbssd"), 2 * panels); // two planes
    EXPECT_EQ(occurrences(f, "tilestored"), 2 * panels);
    EXPECT_EQ(occurrences(f, "tileloadd"), 2 + panels);
  }
}

TEST(AmxTiles, coverEachScaleOfAGroupOnItsOwn) {
  const std::vector<std::string> functions = tileFunctions(WeightFormat::Q6_K, 32, 256);
  ASSERT_EQ(functions.size(), 3u);
  for (llvm::StringRef f : functions)
    EXPECT_EQ(occurrences(f, "tdpbssd"), 8u); // two halves of 16 k besides
}

TEST(AmxTiles, areConfiguredOnceForAChunkOfGroups) {
  if (!canTrapTiles())
    GTEST_SKIP()
        << "tile instructions are counted where they are trapped: without AMX, with AVX-512";
  std::mt19937 random(31);
  const uint32_t n = 64, k = 640, rows = 37; // 20 groups are one chunk; 16 + 16 + 5 rows; two units
  TestWeight w = makeWeight(WeightFormat::Q8_0, n, k, random);
  Bytes in(rows * cpu::QuantRowLayout(k).stride()), out(rows * n * 4);
  TestKernel kernel(linearSpec(WeightFormat::Q8_0, n, k), engine::Variant::Amx);
  kernel.run({in, w.packed, out}, TestStep({{0, rows}}).view);
  const TileCounts &counts = kernel.tileCounts();
  EXPECT_EQ(counts.configurations, 6u);
  EXPECT_EQ(counts.releases, 6u);
  EXPECT_EQ(counts.products, 6u * 20 * 4);
  EXPECT_EQ(counts.zeros, counts.products);
  EXPECT_EQ(counts.stores, counts.products);
  EXPECT_EQ(counts.loads, 6u * 20 * 4);
}

TEST(AmxTiles, areNotTouchedForFewRows) {
  if (!canTrapTiles())
    GTEST_SKIP()
        << "tile instructions are counted where they are trapped: without AMX, with AVX-512";
  std::mt19937 random(32);
  TestWeight w = makeWeight(WeightFormat::Q4_0, 64, 96, random);
  Bytes in(4 * cpu::QuantRowLayout(96).stride()), out(4 * 64 * 4);
  TestKernel kernel(linearSpec(WeightFormat::Q4_0, 64, 96), engine::Variant::Amx);
  kernel.run({in, w.packed, out}, TestStep({{0, 4}}).view);
  EXPECT_EQ(kernel.tileCounts().configurations, 0u);
}

} // namespace
} // namespace tenon::test
