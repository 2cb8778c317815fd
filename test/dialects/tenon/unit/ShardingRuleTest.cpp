//===- ShardingRuleTest.cpp - Loops and maps that upstream reads ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "TestModule.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::tenon;
using utils::IteratorType;

namespace {

/// Every op with tensors that has a sharding rule.
constexpr StringLiteral kAllOps = R"mlir(
  tenon.weight @t : tensor<16x8xf32>
  func.func @f(%ids: tensor<?xi32>, %rows: tensor<?xi32>, %n: tensor<8xf32>, %h: tensor<4xf32>, %f: tensor<2xf32>, %kv: !tenon.kv<2, 4>, %b: tensor<?x32xf32>) {
    %t = tenon.param @t : tensor<16x8xf32>
    %x = tenon.embed %ids, %t : (tensor<?xi32>, tensor<16x8xf32>) -> tensor<?x8xf32>
    %s = tenon.select_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    %m = tenon.rms_norm %x, %n {eps = 0.0 : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %l = tenon.linear %x, %t : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    %o = tenon.logits %x, %t {softcap = 2.0 : f32} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    %g = tenon.gate silu %l, %o : tensor<?x16xf32>
    %a = tenon.add %l, %g : tensor<?x16xf32>
    %c = tenon.scale %a {factor = 2.0 : f32} : tensor<?x16xf32>
    %q = tenon.split_heads %c : tensor<?x16xf32> -> tensor<?x4x4xf32>
    %k = tenon.split_heads %x : tensor<?x8xf32> -> tensor<?x2x4xf32>
    %r = tenon.rope_table %ids, %f : (tensor<?xi32>, tensor<2xf32>) -> tensor<?x2x2xf32>
    %p = tenon.rope %q, %r : (tensor<?x4x4xf32>, tensor<?x2x2xf32>) -> tensor<?x4x4xf32>
    %w = tenon.attention %p, %k, %k, %kv {scale = 1.0 : f32} : (tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, !tenon.kv<2, 4>) -> tensor<?x4x4xf32>
    %y = tenon.kv_append %k, %k, %kv : (tensor<?x2x4xf32>, tensor<?x2x4xf32>, !tenon.kv<2, 4>) -> !tenon.kv<2, 4>
    %z = tenon.attend %p, %y : (tensor<?x4x4xf32>, !tenon.kv<2, 4>) -> tensor<?x4x4xf32>
    %d = tenon.quantize_rows %b : tensor<?x32xf32> -> tensor<?x32xf32, #tenon.rows<int15, 32>>
    %e = tenon.merge_heads %z : tensor<?x4x4xf32> -> tensor<?x16xf32>
    %u = tenon.fused "norm_quant"(%i = %x : tensor<?x8xf32>, %j = %n : tensor<8xf32>) -> tensor<?x8xf32> {
      %v = tenon.rms_norm %i, %j {eps = 0.0 : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      tenon.yield %v : tensor<?x8xf32>
    }
    return
  })mlir";

/// Number of dimensions of a value in the rule: none for handles.
int64_t rankOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getRank() : 0;
}

TEST(ShardingRule, hasAMapOfEachOperandsAndResultsRank) {
  test::TestModule module(kAllOps);
  ASSERT_TRUE(module.module);
  unsigned checked = 0;
  module.module->walk([&](shard::ShardingInterface op) {
    SmallVector<AffineMap> maps = op.getIndexingMaps();
    SmallVector<Type> types(op->getOperandTypes());
    llvm::append_range(types, op->getResultTypes());
    ASSERT_EQ(maps.size(), types.size()) << op->getName().getStringRef().str();
    for (auto [map, type] : llvm::zip_equal(maps, types)) {
      EXPECT_EQ(map.getNumDims(), op.getLoopIteratorTypes().size());
      EXPECT_EQ(static_cast<int64_t>(map.getNumResults()), rankOf(type));
      EXPECT_TRUE(map.isProjectedPermutation());
    }
    const auto reductions = llvm::count(op.getLoopIteratorTypes(), IteratorType::reduction);
    EXPECT_EQ(static_cast<size_t>(reductions), op.getReductionLoopIteratorKinds().size());
    ++checked;
  });
  EXPECT_EQ(checked, 20u);
}

TEST(ShardingRule, ofALinearSumsOverItsColumns) {
  test::TestModule module(kAllOps);
  auto linear = module.first<LinearOp>();
  EXPECT_EQ(linear.getLoopIteratorTypes(),
            (SmallVector<IteratorType>{IteratorType::parallel, IteratorType::parallel,
                                       IteratorType::reduction}));
  EXPECT_EQ(linear.getReductionLoopIteratorKinds(),
            SmallVector<shard::ReductionKind>{shard::ReductionKind::Sum});
}

TEST(ShardingRule, ofCappedLogitsDoesNotSumParts) {
  test::TestModule module(kAllOps);
  EXPECT_EQ(module.first<LogitsOp>().getReductionLoopIteratorKinds(),
            SmallVector<shard::ReductionKind>{shard::ReductionKind::Generic});
}

TEST(ShardingRule, ofAttentionCutsQueryAndKeyHeadsTogether) {
  test::TestModule module(kAllOps);
  SmallVector<AffineMap> maps = module.first<AttentionOp>().getIndexingMaps();
  EXPECT_EQ(maps[0].getDimPosition(1), maps[1].getDimPosition(1));
  EXPECT_EQ(module.first<AttentionOp>().getLoopIteratorTypes()[maps[0].getDimPosition(1)],
            IteratorType::parallel);
}

} // namespace
