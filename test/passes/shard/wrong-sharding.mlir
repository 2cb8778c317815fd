// RUN: tenon-opt %s --split-input-file --tenon-propagate-sharding --verify-diagnostics
//
// Shardings written by hand that are wrong: each is named where it is wrong.

shard.grid @chips(shape = 1x2)
func.func @differently(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %a = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 64, 96] : !shard.sharding
  %b = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 32, 96] : !shard.sharding
  %wg0 = shard.shard %wg to %a : tensor<96x64xf32>
  %wu0 = shard.shard %wu to %b : tensor<96x64xf32>
  %g = tenon.linear %x, %wg0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %wu0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  // expected-error @below {{operand 1 is cut at [0, 32, 96] and operand 0 at [0, 64, 96] along the same loop}}
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  return %h : tensor<?x96xf32>
}

// -----

shard.grid @chips(shape = 1x2)
func.func @one_whole(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %a = shard.sharding @chips split_axes = [[1]] : !shard.sharding
  %w0 = shard.shard %w to %a : tensor<96x64xf32>
  %g = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  // expected-error @below {{operand 1 is whole where operand 0 is cut at [0, 48, 96] along the same loop; cut both or neither}}
  %h = tenon.add %g, %y : tensor<?x96xf32>
  return %h : tensor<?x96xf32>
}

// -----

shard.grid @chips(shape = 1x2)
func.func @part_of_a_norm(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %n: tensor<64xf32>) -> tensor<?x64xf32> {
  %a = shard.sharding @chips split_axes = [[1]] : !shard.sharding
  %w0 = shard.shard %w to %a : tensor<64x64xf32>
  %y = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  // expected-error @below {{needs dimension 1 of operand 0 whole, and it is cut at [0, 32, 64]}}
  %z = tenon.rms_norm %y, %n {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// -----

// The cap of logits is not linear, so columns cannot be added up after it.
shard.grid @chips(shape = 1x2)
func.func @part_of_capped_logits(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) -> tensor<?x128xf32> {
  %a = shard.sharding @chips split_axes = [[], [1]] : !shard.sharding
  %w0 = shard.shard %w to %a : tensor<128x64xf32>
  // expected-error @below {{needs dimension 1 of operand 1 whole, and it is cut at [0, 32, 64]}}
  %l = tenon.logits %x, %w0 {softcap = 3.0e+01 : f32} : (tensor<?x64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32>
  return %l : tensor<?x128xf32>
}

// -----

shard.grid @chips(shape = 1x2)
func.func private @leaves_parts(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %a = shard.sharding @chips split_axes = [[1]] : !shard.sharding
  %w0 = shard.shard %w to %a : tensor<96x64xf32>
  %g = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  // expected-error @below {{returns a value cut at [0, 48, 96]; activations are whole between layers}}
  return %g : tensor<?x96xf32>
}

// -----

// Four query heads for each KV head: five and three both read the second, and keys cut evenly lack it.
shard.grid @chips(shape = 1x2)
func.func @within_a_group(%x: tensor<?x64xf32>, %kv: !tenon.kv<2, 16>, %wq: tensor<128x64xf32>, %wk: tensor<32x64xf32>) -> tensor<?x8x16xf32> {
  %a = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 80, 128] : !shard.sharding
  %w0 = shard.shard %wq to %a : tensor<128x64xf32>
  %q0 = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32>
  %q = tenon.split_heads %q0 : tensor<?x128xf32> -> tensor<?x8x16xf32>
  %b = shard.sharding @chips split_axes = [[1]] : !shard.sharding
  %wk0 = shard.shard %wk to %b : tensor<32x64xf32>
  %k0 = tenon.linear %x, %wk0 : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %k = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x2x16xf32>
  // expected-error @below {{reads keys or values cut at [0, 1, 2], and its query heads, cut at [0, 5, 8], read [0..2, 1..2]}}
  %r = tenon.attention %q, %k, %k, %kv {scale = 1.0 : f32}
    : (tensor<?x8x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> tensor<?x8x16xf32>
  return %r : tensor<?x8x16xf32>
}

// -----

shard.grid @chips(shape = 1x2)
func.func @within_a_head(%x: tensor<?x64xf32>, %wq: tensor<128x64xf32>) -> tensor<?x8x16xf32> {
  %a = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 72, 128] : !shard.sharding
  %w0 = shard.shard %wq to %a : tensor<128x64xf32>
  %q0 = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32>
  // expected-error @below {{would cut dimension 1 of result 0, 8 elements, within an element to follow operand 0, which is cut at [0, 72, 128]}}
  %q = tenon.split_heads %q0 : tensor<?x128xf32> -> tensor<?x8x16xf32>
  return %q : tensor<?x8x16xf32>
}

// -----

shard.grid @chips(shape = 1x2)
func.func @said_and_made(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %g = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %a = shard.sharding @chips split_axes = [[], [1]] : !shard.sharding
  // expected-error @below {{is cut at [0, 48, 96], but tenon.linear makes it whole on every chip}}
  %g0 = shard.shard %g to %a : tensor<?x96xf32>
  return %g0 : tensor<?x96xf32>
}

// -----

shard.grid @chips(shape = 1x3)
func.func @uneven(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %a = shard.sharding @chips split_axes = [[1]] : !shard.sharding
  // expected-error @below {{cuts 64 elements evenly among 3 chips; give sharded_dims_offsets for uneven parts}}
  %w0 = shard.shard %w to %a : tensor<64x64xf32>
  %g = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %g : tensor<?x64xf32>
}

// -----

shard.grid @chips(shape = 2x2)
func.func @other_axis(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{must cut one dimension along axis 1 of the grid, the tensor axis}}
  %a = shard.sharding @chips split_axes = [[0]] : !shard.sharding
  %w0 = shard.shard %w to %a : tensor<64x64xf32>
  %g = tenon.linear %x, %w0 : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %g : tensor<?x64xf32>
}
