//===- RealModelTest.cpp - The two models at hand -------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Needs the GGUF files in the folder that TENON_MODELS names (default build/models); SKIPPED
// without.

#include "compiler/pack/Packer.h"
#include "frontends/Importer.h"

#include "llvm/Support/FileSystem.h"

#include <bit>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::frontend;

namespace {

std::unique_ptr<Checkpoint> openModel(const char *file) {
  const char *folder = std::getenv("TENON_MODELS");
  const std::string path = std::string(folder ? folder : "build/models") + "/" + file;
  if (!llvm::sys::fs::exists(path))
    return nullptr;
  auto checkpoint = openCheckpoint(path, {});
  EXPECT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  return checkpoint ? std::move(*checkpoint) : nullptr;
}

/// Packs every matrix and compares its first, a middle and its last row.
void expectLossless(const Checkpoint &checkpoint) {
  for (const Tensor &tensor : checkpoint.tensors()) {
    if (tensor.rows == 1)
      continue;
    std::vector<uint32_t> order;
    uint32_t heads = 0;
    if (needsRotaryRowOrder(checkpoint, tensor.name, heads))
      order =
          compiler::rotaryRowOrder(heads, checkpoint.config().headDim, checkpoint.config().rotary);
    std::vector<uint8_t> packed(packedBytes(tensor.format, tensor.rows, tensor.columns));
    llvm::cantFail(compiler::packMatrix(tensor, order, 0, tensor.rows, packed));
    std::vector<float> want(tensor.columns);
    for (uint64_t row : {uint64_t(0), tensor.rows / 2 + 1, tensor.rows - 1}) {
      dequantizeRow(tensor, order.empty() ? row : order[row], want);
      for (uint64_t k = 0; k < tensor.columns; ++k)
        ASSERT_EQ(compiler::unpackValue(tensor.format, packed, tensor.columns, row, k), want[k])
            << tensor.name << " row " << row << " column " << k;
    }
  }
}

/// Bytes of mapped files that this process holds.
uint64_t residentFileBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (llvm::StringRef(line).starts_with("RssFile:"))
      return std::stoull(line.substr(8)) * 1024;
  return 0;
}

} // namespace

TEST(RealModel, releasesTensorsThatWerePacked) {
  std::unique_ptr<Checkpoint> checkpoint = openModel("SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!checkpoint)
    GTEST_SKIP() << "SKIPPED: SmolLM2-135M-Instruct.Q4_1.gguf is not in TENON_MODELS";
  const uint64_t before = residentFileBytes();
  for (const Tensor &tensor : checkpoint->tensors()) {
    std::vector<float> row(tensor.columns);
    for (uint64_t r = 0; r < tensor.rows; ++r)
      dequantizeRow(tensor, r, row);
    checkpoint->release(tensor);
  }
  EXPECT_LT(residentFileBytes(), before + (4 << 20));
  const Tensor &first = checkpoint->tensors().front();
  std::vector<float> again(first.columns);
  dequantizeRow(first, 0, again); // comes back from the file
  EXPECT_NE(again, std::vector<float>(first.columns));
}

TEST(RealModel, smolLM2OpensAndPacksWithoutLoss) {
  std::unique_ptr<Checkpoint> checkpoint = openModel("SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!checkpoint)
    GTEST_SKIP() << "SKIPPED: SmolLM2-135M-Instruct.Q4_1.gguf is not in TENON_MODELS";
  const ModelConfig &config = checkpoint->config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.layers, 30u);
  EXPECT_EQ(config.heads, 9u);
  EXPECT_EQ(config.kvHeads, 3u);
  EXPECT_EQ(config.headDim, 64u);
  EXPECT_EQ(config.ropeBase, 100000.0);
  EXPECT_TRUE(config.tiedEmbeddings);
  EXPECT_EQ(checkpoint->tokenizer().tokens.size(), 49152u);
  EXPECT_EQ(checkpoint->tokenizer().merges.size(), 48900u);
  EXPECT_FALSE(checkpoint->tokenizer().addBos);
  expectLossless(*checkpoint);
}

TEST(RealModel, gemma3OpensAndPacksWithoutLoss) {
  std::unique_ptr<Checkpoint> checkpoint = openModel("gemma-3-270m-q4_k_m.gguf");
  if (!checkpoint)
    GTEST_SKIP() << "SKIPPED: gemma-3-270m-q4_k_m.gguf is not in TENON_MODELS";
  const ModelConfig &config = checkpoint->config();
  EXPECT_EQ(config.architecture, "gemma3");
  EXPECT_EQ(config.layers, 18u);
  EXPECT_EQ(config.kvHeads, 1u);
  EXPECT_EQ(config.headDim, 256u);
  EXPECT_EQ(config.attentionScale, 0.0625f);
  EXPECT_EQ(config.slidingWindow, 512u);
  EXPECT_EQ(config.windowPattern, 6u);
  EXPECT_EQ(checkpoint->tokenizer().tokens.size(), 262144u);
  EXPECT_TRUE(checkpoint->tokenizer().addBos);
  expectLossless(*checkpoint);
}
