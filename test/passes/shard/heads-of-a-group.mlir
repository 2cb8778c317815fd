// RUN: tenon-opt %s --tenon-shard=tensor=2 | FileCheck %s
// RUN: tenon-opt %s --tenon-shard=tensor=3 | FileCheck %s --check-prefix=GROUPS
// RUN: tenon-opt %s --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan)' \
// RUN:   | FileCheck %s --check-prefix=PLAN
//
// Nine query heads with three KV heads on two chips: five and four. Both chips have the second KV head: of its
// query heads the first chip has two, the second one.

// CHECK: module @program_0 attributes {tenon.chips = array<i64: 0>
// CHECK: tenon.weight @wq {cut = #tenon.cut<0, [0, 160]>} : tensor<160x64xf32>
// CHECK: tenon.weight @wk {cut = #tenon.cut<0, [0, 32]>} : tensor<64x64xf32>
// CHECK: tenon.weight @wo {cut = #tenon.cut<1, [0, 160]>} : tensor<64x160xf32>
// CHECK: tenon.attention {{.*}} {group = 3 : i32, scale = 1.000000e+00 : f32}
// CHECK-SAME: (tensor<?x5x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>, !tenon.kv<2, 32>
// CHECK: func.func @step({{.*}}!tenon.cache<1, 2, 32>)
// CHECK: module @program_1 attributes {tenon.chips = array<i64: 1>
// CHECK: tenon.attention {{.*}} {group = 3 : i32, scale = 1.000000e+00 : f32, skipped_heads = 2 : i32}
// CHECK-SAME: (tensor<?x4x32xf32>, tensor<?x2x32xf32>, tensor<?x2x32xf32>, !tenon.kv<2, 32>

// Must not: on three chips each has a KV head with all of its query heads, and one program does for all.
// GROUPS: module @program_0 attributes {tenon.chips = array<i64: 0, 1, 2>
// GROUPS-NOT: group =
// GROUPS: tenon.attention {{.*}} (tensor<?x3x32xf32>, tensor<?x1x32xf32>
// GROUPS-NOT: module @program_1

// PLAN: plan.chip 0 kind "cpu" arena {{.*}} kv 1 x 2 {
// PLAN: plan.chip 1 kind "cpu" program 1 arena {{.*}} kv 1 x 2 from 1 first_token 128
// PLAN: plan.kernel {{.*}}attention" {{.*}}group = 3 : i64, head_dim = 32 : i64, heads = 5 : i64, kv_heads = 2 : i64
// PLAN: plan.kernel {{.*}}attention" {{.*}}group = 3 : i64, head_dim = 32 : i64, heads = 4 : i64, kv_heads = 2 : i64, {{.*}}skipped_heads = 2 : i64
module {
  shard.grid @chips(shape = 1)
  tenon.weight @tok : tensor<240x64xf32>
  tenon.weight @n : tensor<64xf32>
  tenon.weight @inv : tensor<16xf32>
  tenon.weight @wq : tensor<288x64xf32>
  tenon.weight @wk : tensor<96x64xf32>
  tenon.weight @wv : tensor<96x64xf32>
  tenon.weight @wo : tensor<64x288xf32>
  func.func private @layer_0(%x: tensor<?x64xf32>, %kv: !tenon.kv<3, 32>, %t: tensor<?x2x16xf32>, %nw: tensor<64xf32>,
      %wq: tensor<288x64xf32>, %wk: tensor<96x64xf32>, %wv: tensor<96x64xf32>, %wo: tensor<64x288xf32>) -> tensor<?x64xf32> {
    %n = tenon.rms_norm %x, %nw {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %q = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<288x64xf32>) -> tensor<?x288xf32>
    %k = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
    %v = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
    %qh = tenon.split_heads %q : tensor<?x288xf32> -> tensor<?x9x32xf32>
    %kh = tenon.split_heads %k : tensor<?x96xf32> -> tensor<?x3x32xf32>
    %vh = tenon.split_heads %v : tensor<?x96xf32> -> tensor<?x3x32xf32>
    %qr = tenon.rope %qh, %t : (tensor<?x9x32xf32>, tensor<?x2x16xf32>) -> tensor<?x9x32xf32>
    %kr = tenon.rope %kh, %t : (tensor<?x3x32xf32>, tensor<?x2x16xf32>) -> tensor<?x3x32xf32>
    %a = tenon.attention %qr, %kr, %vh, %kv {scale = 1.0 : f32}
      : (tensor<?x9x32xf32>, tensor<?x3x32xf32>, tensor<?x3x32xf32>, !tenon.kv<3, 32>) -> tensor<?x9x32xf32>
    %m = tenon.merge_heads %a : tensor<?x9x32xf32> -> tensor<?x288xf32>
    %o = tenon.linear %m, %wo : (tensor<?x288xf32>, tensor<64x288xf32>) -> tensor<?x64xf32>
    %r = tenon.add %x, %o : tensor<?x64xf32>
    return %r : tensor<?x64xf32>
  }
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache: !tenon.cache<1, 3, 32>) -> tensor<?x240xf32> {
    %tok = tenon.param @tok : tensor<240x64xf32>
    %nw = tenon.param @n : tensor<64xf32>
    %f = tenon.param @inv : tensor<16xf32>
    %wq = tenon.param @wq : tensor<288x64xf32>
    %wk = tenon.param @wk : tensor<96x64xf32>
    %wv = tenon.param @wv : tensor<96x64xf32>
    %wo = tenon.param @wo : tensor<64x288xf32>
    %x0 = tenon.embed %ids, %tok : (tensor<?xi32>, tensor<240x64xf32>) -> tensor<?x64xf32>
    %t = tenon.rope_table %positions, %f {scale = 1.0 : f32} : (tensor<?xi32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %kv = tenon.kv_layer %cache[0] : !tenon.cache<1, 3, 32> -> !tenon.kv<3, 32>
    %x1 = call @layer_0(%x0, %kv, %t, %nw, %wq, %wk, %wv, %wo) : (tensor<?x64xf32>, !tenon.kv<3, 32>, tensor<?x2x16xf32>, tensor<64xf32>, tensor<288x64xf32>, tensor<96x64xf32>, tensor<96x64xf32>, tensor<64x288xf32>) -> tensor<?x64xf32>
    %l = tenon.select_rows %x1, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %ln = tenon.rms_norm %l, %nw {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %lg = tenon.logits %ln, %tok : (tensor<?x64xf32>, tensor<240x64xf32>) -> tensor<?x240xf32>
    return %lg : tensor<?x240xf32>
  }
}
