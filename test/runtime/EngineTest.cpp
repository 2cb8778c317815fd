//===- EngineTest.cpp - Loading engines, sound and hostile ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/Engine.h"
#include "runtime/engine/PlanCheck.h"
#include "runtime/engine/PlanReader.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace tenon;
using namespace tenon::engine;
using namespace tenon::test;

namespace {

EngineOptions lookOnly() {
  EngineOptions options;
  options.runnable = false;
  return options;
}

/// Opens bytes at page alignment, as a mapping would.
StatusOr<std::unique_ptr<Engine>> openBytes(const Bytes &bytes, const EngineOptions &options) {
  static void *page = nullptr;
  std::free(page);
  page = std::aligned_alloc(kPage, (bytes.size() + kPage) / kPage * kPage);
  if (!bytes.empty())
    std::memcpy(page, bytes.data(), bytes.size());
  return Engine::fromMemory({static_cast<const std::byte *>(page), bytes.size()}, "tiny.tenon",
                            options);
}

/// The error that opening `bytes` gives; fails the test if there is none.
std::string errorOf(const Bytes &bytes, const EngineOptions &options = lookOnly()) {
  auto opened = openBytes(bytes, options);
  EXPECT_FALSE(opened.isOk());
  return opened.isOk() ? "" : opened.status().message();
}

std::string errorOf(const TinyEngine &engine) { return errorOf(engine.write()); }

/// The error after `change` to the plan of a sound engine.
template <typename Change> std::string planError(Change &&change) {
  TinyEngine e = TinyEngine::make("");
  change(e.plan);
  return errorOf(e);
}

#define EXPECT_SAYS(error, part)                                                                   \
  do {                                                                                             \
    const std::string said = (error);                                                              \
    EXPECT_NE(said.find(part), std::string::npos) << "said: " << said;                             \
    EXPECT_EQ(said.rfind("tiny.tenon: ", 0), 0u) << "said: " << said;                              \
  } while (false)

TEST(Engine, opensASoundFileAndResolvesItsKernels) {
  auto opened = openBytes(TinyEngine::make(TENON_TINY_KERNELS).write(), {});
  ASSERT_TRUE(opened.isOk()) << opened.status().message();
  const Engine &e = **opened;
  EXPECT_EQ(e.plan().model.name, "tiny");
  EXPECT_EQ(e.plan().functions.size(), 3u);
  EXPECT_EQ(e.plan().functions[1].launches[0].args.size(), 8u);
  EXPECT_EQ(e.plan().checks[0].samples, 64u);
  EXPECT_TRUE(e.plan().isEos(31));
  EXPECT_NE(e.kernel(0), nullptr);
  EXPECT_EQ(e.weight(0)[5], std::byte(35));
  EXPECT_TRUE(e.verifyWeights());
}

TEST(Engine, copiesWeightsOnRequest) {
  const std::string path = testing::TempDir() + "/copied-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, TinyEngine::make(TENON_TINY_KERNELS).write());
  EngineOptions options;
  options.copyWeights = true;
  auto copied = Engine::open(path, options);
  unlink(path.c_str());
  ASSERT_TRUE(copied.isOk()) << copied.status().message();
  const auto section = (*copied)->section(SectionKind::Weights);
  const std::byte *weight = (*copied)->weight(0);
  EXPECT_TRUE(weight < section.data() || weight >= section.data() + section.size());
  for (size_t i = 0; i < section.size(); ++i)
    ASSERT_EQ(weight[i], section[i]) << i;
}

TEST(Engine, opensFromAFileAndNamesAMissingOne) {
  const std::string path = testing::TempDir() + "/tiny-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, TinyEngine::make(TENON_TINY_KERNELS).write());
  EXPECT_TRUE(Engine::open(path, {}).isOk());
  unlink(path.c_str());
  auto missing = Engine::open(path + ".not", {});
  ASSERT_FALSE(missing.isOk());
  EXPECT_EQ(missing.status().code(), StatusCode::NotFound);
  EXPECT_NE(missing.status().message().find(path + ".not"), std::string::npos);
  EXPECT_EQ(Engine::open(testing::TempDir(), {}).status().code(), StatusCode::InvalidArgument);
}

TEST(Engine, refusesOtherVersionsAndNamesBoth) {
  TinyEngine e = TinyEngine::make("");
  e.changeHeader = [](FileHeader &h) { h.formatMinor = kFormatMinor + 3; };
  EXPECT_SAYS(errorOf(e), "the engine has format " + std::to_string(kFormatMajor) + "." +
                              std::to_string(kFormatMinor + 3) + " and this build reads " +
                              std::to_string(kFormatMajor) + ".0");
  e.changeHeader = [](FileHeader &h) { h.formatMajor = 7; };
  EXPECT_SAYS(errorOf(e), "the engine has format 7.");
  e.changeHeader = [](FileHeader &h) { h.schemaHash ^= 1; };
  EXPECT_SAYS(errorOf(e), "compile the engine again");
  e.changeHeader = [](FileHeader &h) { h.requiredFeatures = 0x10; };
  EXPECT_SAYS(errorOf(e), "requires features 0x10");
}

TEST(Engine, refusesHeadersThatLie) {
  TinyEngine e = TinyEngine::make("");
  EXPECT_SAYS(errorOf(Bytes()), "header: the file has 0 bytes");
  Bytes file = e.write();
  file[0] = std::byte{'X'};
  EXPECT_SAYS(errorOf(file), "header: the magic bytes");
  file = e.write();
  file[60] ^= std::byte{1};
  EXPECT_SAYS(errorOf(file), "header: its checksum does not match");
  e.changeHeader = [](FileHeader &h) { h.sectionCount = 1000; };
  EXPECT_SAYS(errorOf(e), "header: 1000 sections");
  e.changeHeader = [](FileHeader &h) { h.sectionCount = 0; };
  EXPECT_SAYS(errorOf(e), "header: 0 sections");
  e.changeHeader = [](FileHeader &h) { h.fileSize += 10; };
  EXPECT_SAYS(errorOf(e), "truncated");
  e.changeHeader = [](FileHeader &h) { h.zero[100] = 1; };
  EXPECT_SAYS(errorOf(e), "header: reserved bytes");
}

TEST(Engine, refusesSectionTablesThatLie) {
  const auto tableError = [](auto change) {
    TinyEngine e = TinyEngine::make("");
    e.changeTable = change;
    return errorOf(e);
  };
  using Table = std::vector<SectionEntry>;
  EXPECT_SAYS(tableError([](Table &t) { t[0].kind = 99; }), "kind 99 is unknown");
  EXPECT_SAYS(tableError([](Table &t) { t[1].variant = 99; }), "variant 99 is unknown");
  EXPECT_SAYS(tableError([](Table &t) { t[1].variant = 0; }), "kernels without a variant");
  EXPECT_SAYS(tableError([](Table &t) { t[0].offset += 8; }), "section 0 (plan): offset");
  EXPECT_SAYS(tableError([](Table &t) { t[0].offset = 0; }), "section 0 (plan): offset 0");
  EXPECT_SAYS(tableError([](Table &t) { t[2].offset = uint64_t(1) << 60; }),
              "section 2 (weights[chip 0]): bytes");
  EXPECT_SAYS(tableError([](Table &t) { t[2].size = ~uint64_t(0); }),
              "section 2 (weights[chip 0]): bytes");
  EXPECT_SAYS(tableError([](Table &t) { t[1].offset = t[0].offset; }), "overlaps");
  EXPECT_SAYS(tableError([](Table &t) { t[1] = t[0]; }), "there are two of it");
  EXPECT_SAYS(tableError([](Table &t) { t[0].reserved = 1; }), "reserved bytes");
  EXPECT_SAYS(tableError([](Table &t) { t[0].kind = 7; }), "there is no plan");
  Bytes file = TinyEngine::make("").write();
  file[sizeof(FileHeader) + 9] ^= std::byte{4};
  EXPECT_SAYS(errorOf(file), "section table: its checksum");
}

TEST(Engine, namesTheSectionThatATruncationCutsOff) {
  const Bytes whole = TinyEngine::make("").write();
  for (size_t size : {size_t(1), size_t(255), size_t(256), size_t(300), size_t(4096),
                      whole.size() - 4096, whole.size() - 1}) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_SAYS(errorOf(cut), "truncated");
  }
  // Even where header and checksums were made to agree with what is left.
  for (size_t pages = 1; pages * kPage < whole.size(); ++pages) {
    Bytes agreed(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(pages * kPage));
    repairChecksums(agreed);
    EXPECT_SAYS(errorOf(agreed), "lie outside the file of " + std::to_string(pages * kPage));
  }
}

TEST(Engine, findsAFlippedBitInEverySection) {
  const Bytes whole = TinyEngine::make("").write();
  auto opened = openBytes(whole, lookOnly());
  ASSERT_TRUE(opened.isOk());
  std::vector<std::pair<std::string, uint64_t>> places;
  for (const Section &s : (*opened)->sections().sections())
    places.emplace_back(s.name(), s.entry.offset + s.entry.size / 2);
  for (const auto &[name, at] : places) {
    Bytes flipped = whole;
    flipped[at] ^= std::byte{0x20};
    EngineOptions options = lookOnly();
    options.verifyWeights = true;
    EXPECT_SAYS(errorOf(flipped, options), name + ": the checksum of its");
  }
}

TEST(Engine, leavesTheWeightsUnreadUnlessAsked) {
  TinyEngine e = TinyEngine::make("");
  Bytes file = e.write();
  auto opened = openBytes(file, lookOnly());
  ASSERT_TRUE(opened.isOk());
  const uint64_t at = (*opened)->sections().find(SectionKind::Weights)->entry.offset;
  file[at] ^= std::byte{1};
  auto again = openBytes(file, lookOnly());
  ASSERT_TRUE(again.isOk());
  EXPECT_EQ((*again)->verifyWeights().code(), StatusCode::DataLoss);
}

TEST(Engine, refusesBytesThatAreNoFlatBuffer) {
  TinyEngine e = TinyEngine::make("");
  Bytes file = e.write();
  for (size_t i = 0; i < 64; ++i)
    file[kPage + i] = std::byte{0xff};
  repairChecksums(file);
  EXPECT_SAYS(errorOf(file), "plan: the FlatBuffer's identifier");
  file = e.write();
  std::memset(file.data() + kPage, 0x7f, 4);
  repairChecksums(file);
  EXPECT_SAYS(errorOf(file), "plan: the FlatBuffer fails verification");
}

TEST(PlanCheck, refusesPoolingThatCannotBeRead) {
  const auto poolingError = [](auto &&change) {
    TinyEngine e = TinyEngine::make("");
    e.addPooling();
    change(e.plan);
    return errorOf(e);
  };
  TinyEngine sound = TinyEngine::make("");
  sound.addPooling();
  const Bytes file = sound.write();
  const auto opened = openBytes(file, lookOnly());
  ASSERT_TRUE(opened.isOk()) << opened.status().message();
  EXPECT_EQ((*opened)->plan().pooling->normEps, TinyEngine::kPoolingEps);
  EXPECT_SAYS(poolingError([](Plan &p) { p.pooling->hiddenBuffer = 9; }),
              "pooling reads buffer 9, and there are 4");
  EXPECT_SAYS(poolingError([](Plan &p) { p.pooling->hiddenBuffer = 3; }),
              "pooling reads buffer 'logits', which has");
  EXPECT_SAYS(poolingError([](Plan &p) { p.model.hidden = 32; }), "pooling reads buffer 'x'");
  EXPECT_SAYS(poolingError([](Plan &p) { p.pooling->normWeight = 4; }),
              "pooling reads weight 4, and there are 4");
  EXPECT_SAYS(poolingError([](Plan &p) { p.pooling->normWeight = 0; }),
              "pooling's norm 'embedding' is not one plain row");
  EXPECT_SAYS(poolingError([](Plan &p) { p.pooling->normEps = NAN; }), "pooling's eps");
}

TEST(PlanCheck, refusesModelsAndLimitsThatCannotBe) {
  EXPECT_SAYS(planError([](Plan &p) { p.model.vocabulary = 0; }), "the vocabulary has 0 tokens");
  EXPECT_SAYS(planError([](Plan &p) { p.model.eos = {32}; }), "end-of-text token 32");
  EXPECT_SAYS(planError([](Plan &p) { p.model.bos = 99; }), "begin-of-text token 99");
  EXPECT_SAYS(planError([](Plan &p) { p.limits.maxContext = 0; }), "a context of 0 positions");
  EXPECT_SAYS(planError([](Plan &p) { p.limits.maxStepTokens = 1 << 30; }), "step tokens");
  EXPECT_SAYS(planError([](Plan &p) { p.limits.defaultSequences = 99; }),
              "99 sequences by default");
}

TEST(PlanCheck, refusesKvGeometriesThatDoNotAddUp) {
  EXPECT_SAYS(planError([](Plan &p) { p.kv.blockTokens = 32; }), "kv: blocks of 32 tokens");
  EXPECT_SAYS(planError([](Plan &p) { p.kv.elementBytes = 1; }), "kv: elements of 1 bytes");
  EXPECT_SAYS(planError([](Plan &p) { p.kv.bytesPerBlock += 1; }), "kv: bytes_per_block");
  EXPECT_SAYS(planError([](Plan &p) { p.kv.layers = 0; }), "kv: 0 layers");
  EXPECT_SAYS(planError([](Plan &p) { p.kv.kvHeads = ~0u; }), "is impossible");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].firstKvHead = 1; }),
              "chip 0 caches 1 KV heads from 1 on; the model has 1");
}

TEST(PlanCheck, refusesBuffersOutsideTheArena) {
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].buffers[1].size.perToken += 1000; }),
              "buffer 1 ('q'): ends at");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].buffers[0].offset.perWorker = 64; }),
              "buffer 0 ('x'): ends at");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].buffers[0].offset.fixed = 32; }),
              "multiple of 64");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].buffers[0].size.fixed = ~uint64_t(0); }),
              "a coefficient above");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].arena.perToken = uint64_t(1) << 63; }),
              "a coefficient above");
  EXPECT_SAYS(planError([](Plan &p) { p.logitsBuffer = 9; }), "logits_buffer is 9");
  EXPECT_SAYS(planError([](Plan &p) { p.logitsBuffer = 0; }), "logits buffer 'x'");
  EXPECT_SAYS(planError([](Plan &p) { p.logitsBlock = 16; }), "logits_block is 16");
  EXPECT_SAYS(planError([](Plan &p) { p.logitsBlock = 32; }),
              "logits buffer 'logits'"); // no room for maxima
  EXPECT_SAYS(planError([](Plan &p) { p.grid = {2}; }), "the grid has 2 chips");
  EXPECT_SAYS(planError([](Plan &p) { p.grid = {~0u, ~0u}; }), "the grid has 0 chips");
  EXPECT_SAYS(planError([](Plan &p) { p.replicas = 0; }),
              "0 replicas of 1 chips; 1 to 1024 are possible");
  EXPECT_SAYS(planError([](Plan &p) { p.replicas = 1025; }), "1025 replicas of 1 chips");
  EXPECT_SAYS(planError([](Plan &p) { p.chips.clear(); }),
              "the grid has 1 chips and the plan describes 0");
  EXPECT_SAYS(planError([](Plan &p) { p.chips[0].weightsBytes += 1; }), "its weights section has");
}

TEST(PlanCheck, refusesWeightsThatLie) {
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].offset = uint64_t(1) << 62; }),
              "weight 0 ('embedding'): bytes");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].offset = 64 * 30; }),
              "lie outside the weights section");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].size -= 1; }), "weight 0 ('embedding'): size");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].rows = uint64_t(1) << 60; }), "is impossible");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].columns = 0; }), "is impossible");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].offset = 4; }), "not a multiple of 64");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].format = WeightFormat::Q4_0; }),
              "4 columns, and q4_0 needs");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[0].format = static_cast<WeightFormat>(77); }),
              "has format 77");
  EXPECT_SAYS(planError([](Plan &p) { p.weights[2].format = WeightFormat::BF16; }),
              "plain weights are f32");
  EXPECT_SAYS(planError([](Plan &p) {
                p.weights[0].randomSeed = p.weights[1].randomSeed = 3;
                p.weights[1].offset = 64;
              }),
              "overlap");
}

TEST(PlanCheck, refusesLaunchesThatReachOutside) {
  EXPECT_SAYS(planError([](Plan &p) { p.kernels[0].kindName = "teleport"; }), "kind 'teleport'");
  EXPECT_SAYS(planError([](Plan &p) { p.kernels[0].symbol = ""; }), "its symbol is empty");
  EXPECT_SAYS(planError([](Plan &p) { p.kernels[2].scratchBytes = ~uint64_t(0); }),
              "bytes of scratch");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].kernel = 4; }),
              "kernel 4, and there are 4");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].args.pop_back(); }),
              "1 arguments, and embed takes 2");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].args[0].index = 77; }),
              "is buffer 77");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].args[1].index = 77; }),
              "is weight 77");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].args[1] = {ArgKind::Buffer, 0}; }),
              "wants a weight");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[1].launches[1].args[1].kind = ArgKind::VPool; }),
              "wants the K pool");
  EXPECT_SAYS(planError([](Plan &p) {
                p.functions[1].launches[1].args[1].kind = static_cast<ArgKind>(200);
              }),
              "of kind 200");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[0].launches[0].args[1].index = 2; }),
              "weight 'inv_freq', is not packed");
  EXPECT_SAYS(planError([](Plan &p) { p.functions[1].launches[0].args[1].index = ~0u; }),
              "which is impossible");
  EXPECT_SAYS(planError([](Plan &p) {
                p.model.vocabulary = 33;
                p.model.eos.clear();
              }),
              "33 logits");
}

TEST(PlanCheck, refusesCallsThatDoNotFit) {
  EXPECT_SAYS(planError([](Plan &p) { p.calls.clear(); }), "a step calls no function");
  EXPECT_SAYS(planError([](Plan &p) { p.calls[0].function = 3; }),
              "call 0: function 3, and there are 3");
  EXPECT_SAYS(planError([](Plan &p) { p.calls[1].weights.pop_back(); }),
              "call 1: 1 weights, and function 'layer' reads 2");
  EXPECT_SAYS(planError([](Plan &p) { p.calls[1].weights[0] = 3; }),
              "call 1: weight 3, and there are 3");
  EXPECT_SAYS(planError([](Plan &p) { p.calls[1].weights[0] = 2; }),
              "weight 'inv_freq' is not packed");
  EXPECT_SAYS(planError([](Plan &p) { p.calls[2].kvLayer = 2; }),
              "call 2: KV layer 2, and there are 2");
}

TEST(KernelLibrary, refusesObjectsThatAreNone) {
  EngineOptions run;
  EXPECT_SAYS(errorOf(TinyEngine::make("").write(), run), "kernels[");
  TinyEngine e = TinyEngine::make(TENON_TINY_KERNELS);
  e.kernels[0].second.resize(700);
  EXPECT_SAYS(errorOf(e.write(), run), "kernels[");
  e = TinyEngine::make(TENON_TINY_KERNELS);
  e.plan.kernels[1].symbol = "tiny_nothing";
  EXPECT_SAYS(errorOf(e.write(), run), "no kernel 'tiny_nothing' in the object");
  e = TinyEngine::make(TENON_TINY_KERNELS);
  e.kernels[0].second[18] = std::byte{8}; // e_machine: MIPS
  EXPECT_SAYS(errorOf(e.write(), run), "ELF machine");
}

TEST(Engine, saysWhyAVariantCannotRun) {
  TinyEngine e = TinyEngine::make(TENON_TINY_KERNELS);
  EngineOptions options;
#if defined(__aarch64__)
  options.variant = Variant::Avx2;
#else
  options.variant = Variant::Neon;
#endif
  EXPECT_SAYS(errorOf(e.write(), options), "is not in the engine, which has");
  e.kernels.push_back({*options.variant, e.kernels[0].second});
  EXPECT_SAYS(errorOf(e.write(), options), "which this machine lacks");
  e.kernels.erase(e.kernels.begin());
  options.variant.reset();
  EXPECT_SAYS(errorOf(e.write(), options), "this machine runs none of them");
}

} // namespace
