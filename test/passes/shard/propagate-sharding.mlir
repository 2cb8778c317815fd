// RUN: tenon-opt %s --tenon-propagate-sharding | FileCheck %s
//
// One annotated weight cuts everything that follows from it, unevenly too.

shard.grid @chips(shape = 1x2)

// The gate's second product and the weight of the product that adds up are inferred. The sum is whole.
// CHECK-LABEL: func.func @feed_forward
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[WG:[a-z0-9]+]]: tensor<96x64xf32>, %[[WU:[a-z0-9]+]]: tensor<96x64xf32>, %[[WD:[a-z0-9]+]]: tensor<64x96xf32>
// CHECK-DAG: %[[DS:.*]] = shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 64, 96]
// CHECK-DAG: %[[D:.*]] = shard.shard %[[WD]] to %[[DS]]
// CHECK: %[[G:.*]] = tenon.linear
// CHECK-NEXT: %[[GS:.*]] = shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 64, 96]
// CHECK-NEXT: %[[G1:.*]] = shard.shard %[[G]] to %[[GS]]
// CHECK: %[[H:.*]] = tenon.gate silu %[[G1]]
// CHECK: %[[H1:.*]] = shard.shard %[[H]]
// CHECK: %[[Y:.*]] = tenon.linear %[[H1]], %[[D]]
// CHECK-NEXT: return %[[Y]]
func.func @feed_forward(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>, %wd: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %cut = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 64, 96] : !shard.sharding
  %g0 = shard.shard %wg to %cut : tensor<96x64xf32>
  %u0 = shard.shard %wu to %cut : tensor<96x64xf32>
  %g = tenon.linear %x, %g0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %u0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  %d = tenon.linear %h, %wd : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// Columns become heads at the same edges, through norm per head and rotation; three KV heads follow nine query heads.
// CHECK-LABEL: func.func @attention
// CHECK: %[[H:.*]] = tenon.split_heads
// CHECK-NEXT: shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 6, 9]
// CHECK: %[[R:.*]] = tenon.rope
// CHECK-NEXT: shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 6, 9]
// CHECK: tenon.attention
// CHECK-NEXT: shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 6, 9]
// CHECK: tenon.merge_heads
// CHECK-NEXT: shard.sharding @chips split_axes = {{\[\[}}], [1]] sharded_dims_offsets = [0, 144, 216]
func.func @attention(%x: tensor<?x64xf32>, %kv: !tenon.kv<3, 24>, %rope: tensor<?x2x12xf32>, %wq: tensor<216x64xf32>,
    %wk: tensor<72x64xf32>, %wv: tensor<72x64xf32>, %wo: tensor<64x216xf32>) -> tensor<?x64xf32> {
  %qs = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 144, 216] : !shard.sharding
  %wq0 = shard.shard %wq to %qs : tensor<216x64xf32>
  %ks = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 48, 72] : !shard.sharding
  %wk0 = shard.shard %wk to %ks : tensor<72x64xf32>
  %wv0 = shard.shard %wv to %ks : tensor<72x64xf32>
  %q0 = tenon.linear %x, %wq0 : (tensor<?x64xf32>, tensor<216x64xf32>) -> tensor<?x216xf32>
  %k0 = tenon.linear %x, %wk0 : (tensor<?x64xf32>, tensor<72x64xf32>) -> tensor<?x72xf32>
  %v0 = tenon.linear %x, %wv0 : (tensor<?x64xf32>, tensor<72x64xf32>) -> tensor<?x72xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x216xf32> -> tensor<?x9x24xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x72xf32> -> tensor<?x3x24xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x72xf32> -> tensor<?x3x24xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x9x24xf32>, tensor<?x2x12xf32>) -> tensor<?x9x24xf32>
  %a = tenon.attention %q2, %k1, %v1, %kv {scale = 1.25e-01 : f32}
    : (tensor<?x9x24xf32>, tensor<?x3x24xf32>, tensor<?x3x24xf32>, !tenon.kv<3, 24>) -> tensor<?x9x24xf32>
  %m = tenon.merge_heads %a : tensor<?x9x24xf32> -> tensor<?x216xf32>
  %o = tenon.linear %m, %wo : (tensor<?x216xf32>, tensor<64x216xf32>) -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// Must not fire: nothing is annotated, so everything is whole.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: shard.shard
func.func @whole(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %y = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
