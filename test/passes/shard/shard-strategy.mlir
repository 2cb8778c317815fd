// RUN: tenon-opt %s --split-input-file --tenon-shard-strategy=tensor=2 | FileCheck %s
// RUN: tenon-opt %s --split-input-file --tenon-shard-strategy="tensor=1 pipeline=2" | FileCheck %s --check-prefix=STAGES
// RUN: tenon-opt %s --split-input-file --tenon-shard-strategy=tensor=2 --remarks-filter=shard -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARKS

// Nine heads of 64 with three KV heads on two chips: 5 and 4, both of which read the second KV head. What
// follows from the annotated weights (keys, values, the output product, the down product) is left to
// propagation.
// CHECK: shard.grid @chips(shape = 1x2)
// CHECK-LABEL: func.func @layer
// CHECK-SAME: %[[WQ:[a-z0-9]+]]: tensor<576x576xf32>, %[[WK:[a-z0-9]+]]: tensor<192x576xf32>, %[[WV:[a-z0-9]+]]: tensor<192x576xf32>, %[[WO:[a-z0-9]+]]: tensor<576x576xf32>, %[[WG:[a-z0-9]+]]: tensor<1536x576xf32>, %[[WU:[a-z0-9]+]]: tensor<1536x576xf32>, %[[WD:[a-z0-9]+]]: tensor<576x1536xf32>
// CHECK: sharded_dims_offsets = [0, 768, 1536]
// CHECK-NEXT: shard.shard %[[WU]]
// CHECK: sharded_dims_offsets = [0, 768, 1536]
// CHECK-NEXT: shard.shard %[[WG]]
// CHECK: sharded_dims_offsets = [0, 320, 576]
// CHECK-NEXT: shard.shard %[[WQ]]
// CHECK-NOT: shard.shard %[[WK]]
// CHECK-NOT: shard.shard %[[WV]]
// CHECK-NOT: shard.shard %[[WO]]
// CHECK-NOT: shard.shard %[[WD]]
// CHECK: return
//
// Stages need no annotation.
// STAGES: shard.grid @chips(shape = 2x1)
// STAGES-NOT: shard.shard
//
// REMARKS: query heads at [0, 5, 9]; KV heads [0..2, 1..3], kept by every chip that reads them
// REMARKS: channels at [0, 768, 1536]
shard.grid @chips(shape = 1)
func.func @layer(%x: tensor<?x576xf32>, %kv: !tenon.kv<3, 64>, %rope: tensor<?x2x32xf32>, %wq: tensor<576x576xf32>,
    %wk: tensor<192x576xf32>, %wv: tensor<192x576xf32>, %wo: tensor<576x576xf32>, %wg: tensor<1536x576xf32>,
    %wu: tensor<1536x576xf32>, %wd: tensor<576x1536xf32>) -> tensor<?x576xf32> {
  %q0 = tenon.linear %x, %wq : (tensor<?x576xf32>, tensor<576x576xf32>) -> tensor<?x576xf32>
  %k0 = tenon.linear %x, %wk : (tensor<?x576xf32>, tensor<192x576xf32>) -> tensor<?x192xf32>
  %v0 = tenon.linear %x, %wv : (tensor<?x576xf32>, tensor<192x576xf32>) -> tensor<?x192xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x576xf32> -> tensor<?x9x64xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x9x64xf32>, tensor<?x2x32xf32>) -> tensor<?x9x64xf32>
  %k2 = tenon.rope %k1, %rope : (tensor<?x3x64xf32>, tensor<?x2x32xf32>) -> tensor<?x3x64xf32>
  %a = tenon.attention %q2, %k2, %v1, %kv {scale = 1.25e-01 : f32}
    : (tensor<?x9x64xf32>, tensor<?x3x64xf32>, tensor<?x3x64xf32>, !tenon.kv<3, 64>) -> tensor<?x9x64xf32>
  %m = tenon.merge_heads %a : tensor<?x9x64xf32> -> tensor<?x576xf32>
  %o = tenon.linear %m, %wo : (tensor<?x576xf32>, tensor<576x576xf32>) -> tensor<?x576xf32>
  %g = tenon.linear %o, %wg : (tensor<?x576xf32>, tensor<1536x576xf32>) -> tensor<?x1536xf32>
  %u = tenon.linear %o, %wu : (tensor<?x576xf32>, tensor<1536x576xf32>) -> tensor<?x1536xf32>
  %h = tenon.gate silu %g, %u : tensor<?x1536xf32>
  %d = tenon.linear %h, %wd : (tensor<?x1536xf32>, tensor<576x1536xf32>) -> tensor<?x576xf32>
  return %d : tensor<?x576xf32>
}

// -----

// Must not cut within a group: four KV heads are two for each chip, and where a head ends within a block of the
// output product's format only whole groups may be cut.
// CHECK-LABEL: func.func @even_groups
// CHECK: sharded_dims_offsets = [0, 64, 128]
// CHECK: sharded_dims_offsets = [0, 64, 128]
// CHECK: sharded_dims_offsets = [0, 128, 256]
// CHECK-LABEL: func.func @groups_of_blocks
// CHECK: sharded_dims_offsets = [0, 128, 192]
// CHECK: sharded_dims_offsets = [0, 128, 192]
// CHECK: sharded_dims_offsets = [0, 512, 768]
// REMARKS: query heads at [0, 4, 8]
// REMARKS: query heads at [0, 8, 12]
#b = #tenon.blocks<q4_k>
func.func @even_groups(%x: tensor<?x256xf32>, %kv: !tenon.kv<4, 32>, %wq: tensor<256x256xf32>,
    %wk: tensor<128x256xf32>, %wv: tensor<128x256xf32>, %wo: tensor<256x256xf32>) -> tensor<?x256xf32> {
  %q0 = tenon.linear %x, %wq : (tensor<?x256xf32>, tensor<256x256xf32>) -> tensor<?x256xf32>
  %k0 = tenon.linear %x, %wk : (tensor<?x256xf32>, tensor<128x256xf32>) -> tensor<?x128xf32>
  %v0 = tenon.linear %x, %wv : (tensor<?x256xf32>, tensor<128x256xf32>) -> tensor<?x128xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x256xf32> -> tensor<?x8x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x128xf32> -> tensor<?x4x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x128xf32> -> tensor<?x4x32xf32>
  %a = tenon.attention %q1, %k1, %v1, %kv {scale = 1.25e-01 : f32}
    : (tensor<?x8x32xf32>, tensor<?x4x32xf32>, tensor<?x4x32xf32>, !tenon.kv<4, 32>) -> tensor<?x8x32xf32>
  %m = tenon.merge_heads %a : tensor<?x8x32xf32> -> tensor<?x256xf32>
  %o = tenon.linear %m, %wo : (tensor<?x256xf32>, tensor<256x256xf32>) -> tensor<?x256xf32>
  return %o : tensor<?x256xf32>
}
func.func @groups_of_blocks(%x: tensor<?x256xf32>, %kv: !tenon.kv<3, 64>, %wq: tensor<768x256xf32>,
    %wk: tensor<192x256xf32>, %wv: tensor<192x256xf32>, %wo: tensor<256x768xf32, #b>) -> tensor<?x256xf32> {
  %q0 = tenon.linear %x, %wq : (tensor<?x256xf32>, tensor<768x256xf32>) -> tensor<?x768xf32>
  %k0 = tenon.linear %x, %wk : (tensor<?x256xf32>, tensor<192x256xf32>) -> tensor<?x192xf32>
  %v0 = tenon.linear %x, %wv : (tensor<?x256xf32>, tensor<192x256xf32>) -> tensor<?x192xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x768xf32> -> tensor<?x12x64xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  %a = tenon.attention %q1, %k1, %v1, %kv {scale = 1.25e-01 : f32}
    : (tensor<?x12x64xf32>, tensor<?x3x64xf32>, tensor<?x3x64xf32>, !tenon.kv<3, 64>) -> tensor<?x12x64xf32>
  %m = tenon.merge_heads %a : tensor<?x12x64xf32> -> tensor<?x768xf32>
  %o = tenon.linear %m, %wo : (tensor<?x768xf32>, tensor<256x768xf32, #b>) -> tensor<?x256xf32>
  return %o : tensor<?x256xf32>
}

// -----

// Must not cut: 256 channels are one block of the down product's format, a gate that something else reads,
// and a vocabulary of one panel.
// CHECK-LABEL: func.func @one_block
// CHECK-NOT: shard.shard
// CHECK-LABEL: func.func @read_twice
// CHECK-NOT: shard.shard
// CHECK-LABEL: func.func @tiny_vocabulary
// CHECK-NOT: shard.shard
// REMARKS: 256 channels are cut between groups of 256
// REMARKS: the gate does not stand between products
// REMARKS: 16 rows are cut between panels of 16
#k = #tenon.blocks<q4_k>
func.func @one_block(%x: tensor<?x256xf32>, %wg: tensor<256x256xf32>, %wu: tensor<256x256xf32>,
    %wd: tensor<256x256xf32, #k>) -> tensor<?x256xf32> {
  %g = tenon.linear %x, %wg : (tensor<?x256xf32>, tensor<256x256xf32>) -> tensor<?x256xf32>
  %u = tenon.linear %x, %wu : (tensor<?x256xf32>, tensor<256x256xf32>) -> tensor<?x256xf32>
  %h = tenon.gate silu %g, %u : tensor<?x256xf32>
  %d = tenon.linear %h, %wd : (tensor<?x256xf32>, tensor<256x256xf32, #k>) -> tensor<?x256xf32>
  return %d : tensor<?x256xf32>
}
func.func @read_twice(%x: tensor<?x64xf32>, %wg: tensor<64x64xf32>, %wu: tensor<64x64xf32>, %wd: tensor<64x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %g = tenon.linear %x, %wg : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %u = tenon.linear %x, %wu : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %h = tenon.gate silu %g, %u : tensor<?x64xf32>
  %d = tenon.linear %h, %wd : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %d, %h : tensor<?x64xf32>, tensor<?x64xf32>
}
func.func @tiny_vocabulary(%x: tensor<?x64xf32>, %w: tensor<16x64xf32>) -> tensor<?x16xf32> {
  %l = tenon.logits %x, %w : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
  return %l : tensor<?x16xf32>
}
