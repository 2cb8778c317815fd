// RUN: tenon-opt %s --pass-pipeline='builtin.module(func.func(sharding-propagation))' | FileCheck %s
//
// Upstream's propagation reads the ops' sharding rules.

shard.grid @chips(shape = 2)

// Output channels of the first product are columns of the second: one annotated weight cuts them all.
// CHECK-LABEL: func.func @feed_forward
// CHECK: %[[G:.*]] = tenon.linear
// CHECK: %[[GS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK: shard.shard %[[G]] to %[[GS]]
// CHECK: %[[H:.*]] = tenon.gate silu
// CHECK: %[[HS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK: shard.shard %[[H]] to %[[HS]]
// CHECK: %[[DS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK-NEXT: shard.shard %{{.*}} to %[[DS]] annotate_for_users : tensor<?x96xf32>
// CHECK: %[[WS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK-NEXT: shard.shard %arg3 to %[[WS]] annotate_for_users : tensor<64x96xf32>
// CHECK: tenon.linear
func.func @feed_forward(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>, %wd: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %cut = shard.sharding @chips split_axes = [[0]] : !shard.sharding
  %g0 = shard.shard %wg to %cut annotate_for_users : tensor<96x64xf32>
  %g = tenon.linear %x, %g0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %wu : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  %d = tenon.linear %h, %wd : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// A cut of the query's channels is a cut of its heads, which rotation keeps; every chip has the table.
// CHECK-LABEL: func.func @heads
// CHECK: tenon.split_heads
// CHECK: %[[R:.*]] = shard.sharding @chips split_axes = {{\[\[\]\]}}
// CHECK-NEXT: shard.shard %arg2 to %[[R]] annotate_for_users : tensor<?x2x8xf32>
// CHECK: %[[P:.*]] = tenon.rope
// CHECK-NEXT: %[[PS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK-NEXT: shard.shard %[[P]] to %[[PS]]
// CHECK: %[[M:.*]] = tenon.merge_heads
// CHECK-NEXT: %[[MS:.*]] = shard.sharding @chips split_axes = {{\[\[\], \[0\]\]}}
// CHECK-NEXT: shard.shard %[[M]] to %[[MS]]
func.func @heads(%x: tensor<?x64xf32>, %wq: tensor<64x64xf32>, %rope: tensor<?x2x8xf32>) -> tensor<?x64xf32> {
  %cut = shard.sharding @chips split_axes = [[0]] : !shard.sharding
  %w = shard.shard %wq to %cut annotate_for_users : tensor<64x64xf32>
  %q = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %h = tenon.split_heads %q : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %r = tenon.rope %h, %rope : (tensor<?x4x16xf32>, tensor<?x2x8xf32>) -> tensor<?x4x16xf32>
  %m = tenon.merge_heads %r : tensor<?x4x16xf32> -> tensor<?x64xf32>
  return %m : tensor<?x64xf32>
}
