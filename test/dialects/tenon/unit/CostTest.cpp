//===- CostTest.cpp - Costs of ops and fused regions ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "TestModule.h"

#include "passes/fuse/Passes.h"

#include "runtime/device/cpu/KernelAbi.h"

#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::tenon;

namespace {

TEST(Cost, ofALinearIsItsPackedWeightItsRowsAndItsProduct) {
  test::TestModule module(R"mlir(
    func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x96xf32> {
      %0 = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x96xf32>
      return %0 : tensor<?x96xf32>
    })mlir");
  Cost wanted;
  wanted.weightBytes = ::tenon::packedBytes(::tenon::WeightFormat::Q4_1, 96, 64);
  wanted.bytesPerToken = 4 * (64 + 96);
  wanted.macsPerToken = 96 * 64;
  EXPECT_EQ(module.first<LinearOp>().getCost(), wanted);
  EXPECT_EQ(wanted.weightBytes, 96u * 64 / 2 + 96 * 64 / 32 * 4);
}

TEST(Cost, ofWhatFollowsASelectionCountsLogitRows) {
  test::TestModule module(R"mlir(
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?xi32>, %n: tensor<64xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
      %0 = tenon.select_rows %x, %r : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
      %1 = tenon.rms_norm %0, %n {eps = 0.0 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      %2 = tenon.logits %1, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
      return %2 : tensor<?x96xf32>
    })mlir");
  Cost select;
  select.bytesPerLogitRow = 4 + 2 * 4 * 64;
  EXPECT_EQ(module.first<SelectRowsOp>().getCost(), select);
  Cost logits;
  logits.weightBytes = 96 * 64 * 4;
  logits.bytesPerLogitRow = 4 * (64 + 96);
  logits.macsPerLogitRow = 96 * 64;
  EXPECT_EQ(module.first<LogitsOp>().getCost(), logits);
  Cost norm;
  norm.weightBytes = 64 * 4;
  norm.bytesPerLogitRow = 2 * 4 * 64;
  EXPECT_EQ(module.first<RmsNormOp>().getCost(), norm);
}

TEST(Cost, ofAnEmbeddingIsOneRowOfTheTableForEachToken) {
  test::TestModule module(R"mlir(
    func.func @f(%i: tensor<?xi32>, %w: tensor<1024x64xf32>) -> tensor<?x64xf32> {
      %0 = tenon.embed %i, %w : (tensor<?xi32>, tensor<1024x64xf32>) -> tensor<?x64xf32>
      return %0 : tensor<?x64xf32>
    })mlir");
  Cost wanted;
  wanted.bytesPerToken = 4 + 2 * 4 * 64;
  EXPECT_EQ(module.first<EmbedOp>().getCost(), wanted);
}

TEST(Cost, ofAttentionGrowsWithContext) {
  test::TestModule module(R"mlir(
    func.func @f(%q: tensor<?x9x64xf32>, %k: tensor<?x3x64xf32>, %kv: !tenon.kv<3, 64>) -> tensor<?x9x64xf32> {
      %0 = tenon.attention %q, %k, %k, %kv {scale = 1.0 : f32} : (tensor<?x9x64xf32>, tensor<?x3x64xf32>, tensor<?x3x64xf32>, !tenon.kv<3, 64>) -> tensor<?x9x64xf32>
      return %0 : tensor<?x9x64xf32>
    })mlir");
  Cost cost = module.first<AttentionOp>().getCost();
  EXPECT_EQ(cost.bytesPerContext, 2u * 3 * 64 * 2);
  EXPECT_EQ(cost.macsPerContext, 2u * 9 * 64);
  // q, k and v in f32, the result, and the write to the cache.
  EXPECT_EQ(cost.bytesPerToken, 4u * 64 * (9 + 3 + 3 + 9) + 2 * 3 * 64 * 2);
  EXPECT_EQ(cost.bytes(10, 0, 55), cost.bytesPerToken * 10 + cost.bytesPerContext * 55);
  EXPECT_EQ(cost.macs(10, 0, 55), 55u * 2 * 9 * 64);
}

TEST(Cost, ofARegionLeavesOutWhatNeverReachesMemory) {
  test::TestModule module(R"mlir(
    func.func @f(%x: tensor<?x64xf32>, %a: tensor<96x64xf32>, %b: tensor<96x64xf32>) -> tensor<?x96xf32, #tenon.rows<int15, 32>> {
      %g = tenon.linear %x, %a : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
      %u = tenon.linear %x, %b : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
      %h = tenon.gate silu %g, %u : tensor<?x96xf32>
      %q = tenon.quantize_rows %h : tensor<?x96xf32> -> tensor<?x96xf32, #tenon.rows<int15, 32>>
      return %q : tensor<?x96xf32, #tenon.rows<int15, 32>>
    })mlir");
  PassManager manager(&module.context);
  manager.addNestedPass<func::FuncOp>(createFuseGatePass());
  ASSERT_TRUE(succeeded(manager.run(*module.module)));
  Cost wanted;
  wanted.weightBytes = 2 * 96 * 64 * 4;
  wanted.bytesPerToken = 4 * 64 + ::tenon::cpu::QuantRowLayout(96).stride();
  wanted.macsPerToken = 2 * 96 * 64;
  EXPECT_EQ(module.first<FusedOp>().getCost(), wanted);
}

TEST(Cost, addsUp) {
  Cost a{1, 2, 3, 4, 5, 6, 7}, b{10, 20, 30, 40, 50, 60, 70};
  a += b;
  EXPECT_EQ(a, (Cost{11, 22, 33, 44, 55, 66, 77}));
}

} // namespace
