//===- ShardingCheckTest.cpp - Chips together against one chip ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/ShardingCheck.h"

#include "compiler/driver/Pipeline.h"
#include "dialects/tenon/TenonOps.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>

namespace tenon::compiler {
namespace {

/// A geometry with weights in memory.
class DrawnCheckpoint : public frontend::Checkpoint {
public:
  explicit DrawnCheckpoint(std::unique_ptr<frontend::Checkpoint> geometry)
      : geometry(std::move(geometry)) {
    std::mt19937 random(7);
    for (frontend::Tensor tensor : this->geometry->tensors()) {
      // Matrices that keep a row's size, and norms around one.
      std::normal_distribution<float> normal(
          tensor.rows == 1 ? 1.0f : 0.0f,
          tensor.rows == 1 ? 0.1f : 1 / std::sqrt(float(tensor.columns)));
      std::vector<float> &drawn = values.emplace_back(tensor.rows * tensor.columns);
      for (float &value : drawn)
        value = normal(random);
      tensor.data = {reinterpret_cast<const uint8_t *>(drawn.data()), drawn.size() * sizeof(float)};
      all.push_back(tensor);
    }
  }
  const frontend::ModelConfig &config() const override { return geometry->config(); }
  const frontend::TokenizerMetadata &tokenizer() const override { return geometry->tokenizer(); }
  llvm::ArrayRef<frontend::Tensor> tensors() const override { return all; }
  const frontend::Tensor *find(llvm::StringRef name) const override {
    const auto *found =
        llvm::find_if(tensors(), [&](const auto &tensor) { return tensor.name == name; });
    return found == tensors().end() ? nullptr : found;
  }
  bool interleavedRotary() const override { return geometry->interleavedRotary(); }
  llvm::StringRef path() const override { return geometry->path(); }
  uint64_t randomSeed() const override { return 0; }

private:
  std::unique_ptr<frontend::Checkpoint> geometry;
  std::vector<std::vector<float>> values;
  std::vector<frontend::Tensor> all;
};

class ShardingCheckTest : public testing::Test {
protected:
  void compile(const GridChoice &grid, const char *collectives) {
    auto geometry = frontend::openCheckpoint(TENON_LLAMA_TINY, {1, WeightFormat::F32});
    ASSERT_TRUE(bool(geometry)) << llvm::toString(geometry.takeError());
    checkpoint = std::make_unique<DrawnCheckpoint>(std::move(*geometry));
    CompileOptions options;
    options.verify = true;
    options.collectives = collectives;
    StageTimer timer;
    auto made = runPipeline(*checkpoint, options, grid, "cpu", timer,
                            [](llvm::StringRef, mlir::Operation *) { return true; });
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    compiled.emplace(std::move(*made));
    ASSERT_TRUE(compiled->whole);
  }

  ShardingCheck check() {
    return llvm::cantFail(checkSharding(*compiled->whole, *compiled->module, *checkpoint));
  }

  /// Every chip but the first takes columns of a layer's product for other ones than it should.
  void shiftColumnsOf(llvm::StringRef name) {
    int changed = 0;
    compiled->module->walk([&](mlir::tenon::WeightOp weight) {
      auto cut = weight.getCut();
      if (!weight.getSymName().contains(name) || !cut || cut->getDim() != 1)
        return;
      llvm::SmallVector<int64_t> begins(cut->getBegins());
      for (int64_t &begin : llvm::MutableArrayRef(begins).drop_front())
        begin -= 16;
      weight.setCutAttr(mlir::tenon::CutAttr::get(weight.getContext(), cut->getDim(), begins));
      ++changed;
    });
    ASSERT_GT(changed, 0);
  }

  static const RegionCheck &regionOf(const ShardingCheck &check, llvm::StringRef name) {
    const auto found = llvm::find_if(
        check.regions, [&](const RegionCheck &region) { return region.region == name; });
    EXPECT_NE(found, check.regions.end()) << name.str();
    return *found;
  }

  std::unique_ptr<frontend::Checkpoint> checkpoint;
  std::optional<Compiled> compiled;
};

constexpr double kExact = 2e-3; ///< What sums in another order may differ by.

TEST_F(ShardingCheckTest, sumsOfF32AreNearlyThoseOfOneChip) {
  for (const GridChoice grid : {GridChoice{2, 1, 1}, GridChoice{2, 2, 1}, GridChoice{1, 3, 1}}) {
    compile(grid, "f32");
    const ShardingCheck found = check();
    EXPECT_FALSE(found.regions.empty());
    for (const RegionCheck &region : found.regions) {
      EXPECT_TRUE(region.passed())
          << grid.text() << " " << region.worst << ": " << region.maxRelError;
      EXPECT_EQ(region.tolerance, kExact)
          << region.worst; // Nothing is rounded, so nothing more is allowed.
    }
    EXPECT_LT(found.meanKl, 1e-6);
  }
}

TEST_F(ShardingCheckTest, roundedPartsMayDifferByWhatRoundingCosts) {
  for (const GridChoice grid : {GridChoice{2, 1, 1}, GridChoice{2, 2, 1}}) {
    compile(grid, "bf16");
    const ShardingCheck found = check();
    for (const RegionCheck &region : found.regions) {
      EXPECT_TRUE(region.passed())
          << grid.text() << " " << region.worst << ": " << region.maxRelError;
      // Two chips, two sums in each of six layers: at most 2^-9 of each part.
      EXPECT_LE(region.tolerance, kExact + 7 * 2 * 2 * 0x1p-9);
    }
    // What is allowed to sums of f32 would refuse them.
    EXPECT_GT(regionOf(found, "layer").maxRelError, kExact);
    EXPECT_GT(found.meanKl, 0);
    EXPECT_LT(found.meanKl, 1e-3);
  }
}

TEST_F(ShardingCheckTest, aWrongCutIsFoundAndNamedWhateverIsAddedUp) {
  for (const char *collectives : {"f32", "bf16"})
    for (const auto &[weight, region] :
         {std::pair("ffn_down", "ffn_down"), std::pair("attn_output", "attn_output")}) {
      compile({2, 1, 1}, collectives);
      shiftColumnsOf(weight);
      const ShardingCheck found = check();
      EXPECT_FALSE(regionOf(found, region).passed()) << collectives << " " << weight;
      EXPECT_NE(describeDiffering(found.regions).find(region), std::string::npos);
    }
}

} // namespace
} // namespace tenon::compiler
