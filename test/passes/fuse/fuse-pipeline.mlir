// RUN: tenon-opt %s --tenon-fuse | FileCheck %s
//
// The whole stage on a small model of the Llama family: one layer called twice.

#q4 = #tenon.blocks<q4_1>
module @smollm2 attributes {tenon.max_context = 64 : i64} {
  tenon.weight @tok : tensor<512x64xf32, #q4>
  tenon.weight @freq : tensor<16xf32>
  tenon.weight @an : tensor<64xf32>
  tenon.weight @wq : tensor<64x64xf32, #q4>
  tenon.weight @wk : tensor<32x64xf32, #q4>
  tenon.weight @wv : tensor<32x64xf32, #q4>
  tenon.weight @wo : tensor<64x64xf32, #q4>
  tenon.weight @wg : tensor<96x64xf32, #q4>
  tenon.weight @wu : tensor<96x64xf32, #q4>
  tenon.weight @wd : tensor<64x96xf32, #q4>
  // CHECK-LABEL: func.func private @layer_0
  // CHECK: %[[N:.*]] = tenon.fused "norm_quant"
  // CHECK: %[[QKV:.*]]:2 = tenon.fused "linear_qkv"({{.*}} = %[[N]]
  // CHECK: %[[A:.*]] = tenon.fused "attention"({{.*}} = %[[QKV]]#0 : {{.*}}, {{.*}} = %[[QKV]]#1
  // CHECK: %[[X1:.*]] = tenon.fused "linear"({{.*}} = %[[A]]
  // CHECK: %[[N2:.*]] = tenon.fused "norm_quant"({{.*}} = %[[X1]]
  // CHECK: %[[H:.*]] = tenon.fused "linear_gate"({{.*}} = %[[N2]]
  // CHECK: %[[X2:.*]] = tenon.fused "linear"({{.*}} = %[[H]] {{.*}} = %[[X1]]
  // CHECK: return %[[X2]]
  func.func private @layer_0(%x: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>,
      %an: tensor<64xf32>, %wq: tensor<64x64xf32, #q4>, %wk: tensor<32x64xf32, #q4>, %wv: tensor<32x64xf32, #q4>,
      %wo: tensor<64x64xf32, #q4>, %fn: tensor<64xf32>, %wg: tensor<96x64xf32, #q4>, %wu: tensor<96x64xf32, #q4>,
      %wd: tensor<64x96xf32, #q4>) -> tensor<?x64xf32> {
    %n = tenon.rms_norm %x, %an {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32, #q4>) -> tensor<?x64xf32>
    %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32, #q4>) -> tensor<?x32xf32>
    %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32, #q4>) -> tensor<?x32xf32>
    %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
    %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
    %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
    %q2 = tenon.rope %q1, %rope {rotary = 32 : i32} : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
    %k2 = tenon.rope %k1, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
    %a = tenon.attention %q2, %k2, %v1, %kv {scale = 0.125 : f32} : (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
    %a1 = tenon.merge_heads %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
    %o = tenon.linear %a1, %wo : (tensor<?x64xf32>, tensor<64x64xf32, #q4>) -> tensor<?x64xf32>
    %x1 = tenon.add %x, %o : tensor<?x64xf32>
    %n2 = tenon.rms_norm %x1, %fn {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %g = tenon.linear %n2, %wg : (tensor<?x64xf32>, tensor<96x64xf32, #q4>) -> tensor<?x96xf32>
    %u = tenon.linear %n2, %wu : (tensor<?x64xf32>, tensor<96x64xf32, #q4>) -> tensor<?x96xf32>
    %h = tenon.gate silu %g, %u : tensor<?x96xf32>
    %d = tenon.linear %h, %wd : (tensor<?x96xf32>, tensor<64x96xf32, #q4>) -> tensor<?x64xf32>
    %x2 = tenon.add %x1, %d : tensor<?x64xf32>
    return %x2 : tensor<?x64xf32>
  }
  // CHECK-LABEL: func.func @step
  // CHECK: tenon.fused "embed"
  // CHECK: tenon.fused "rope_table"
  // CHECK: call @layer_0
  // CHECK: %[[X:.*]] = call @layer_last
  // CHECK: %[[R:.*]] = tenon.fused "norm_quant"({{.*}} = %[[X]]
  // CHECK-NEXT: tenon.select_rows
  // CHECK-NEXT: tenon.rms_norm
  // CHECK-NEXT: tenon.quantize_rows
  // CHECK: %[[L:.*]] = tenon.fused "linear"({{.*}} = %[[R]]
  // CHECK-NEXT: tenon.logits
  // CHECK: return %[[L]]
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache: !tenon.cache<2, 1, 32>) -> tensor<?x512xf32> {
    %tok = tenon.param @tok : tensor<512x64xf32, #q4>
    %f = tenon.param @freq : tensor<16xf32>
    %x0 = tenon.embed %ids, %tok : (tensor<?xi32>, tensor<512x64xf32, #q4>) -> tensor<?x64xf32>
    %rope = tenon.rope_table %positions, %f : (tensor<?xi32>, tensor<16xf32>) -> tensor<?x2x16xf32>
    %kv0 = tenon.kv_layer %cache[0] : !tenon.cache<2, 1, 32> -> !tenon.kv<1, 32>
    %kv1 = tenon.kv_layer %cache[1] : !tenon.cache<2, 1, 32> -> !tenon.kv<1, 32>
    %an = tenon.param @an : tensor<64xf32>
    %wq = tenon.param @wq : tensor<64x64xf32, #q4>
    %wk = tenon.param @wk : tensor<32x64xf32, #q4>
    %wv = tenon.param @wv : tensor<32x64xf32, #q4>
    %wo = tenon.param @wo : tensor<64x64xf32, #q4>
    %wg = tenon.param @wg : tensor<96x64xf32, #q4>
    %wu = tenon.param @wu : tensor<96x64xf32, #q4>
    %wd = tenon.param @wd : tensor<64x96xf32, #q4>
    %x1 = call @layer_0(%x0, %kv0, %rope, %an, %wq, %wk, %wv, %wo, %an, %wg, %wu, %wd) : (tensor<?x64xf32>, !tenon.kv<1, 32>, tensor<?x2x16xf32>, tensor<64xf32>, tensor<64x64xf32, #q4>, tensor<32x64xf32, #q4>, tensor<32x64xf32, #q4>, tensor<64x64xf32, #q4>, tensor<64xf32>, tensor<96x64xf32, #q4>, tensor<96x64xf32, #q4>, tensor<64x96xf32, #q4>) -> tensor<?x64xf32>
    %x2 = call @layer_0(%x1, %kv1, %rope, %an, %wq, %wk, %wv, %wo, %an, %wg, %wu, %wd) : (tensor<?x64xf32>, !tenon.kv<1, 32>, tensor<?x2x16xf32>, tensor<64xf32>, tensor<64x64xf32, #q4>, tensor<32x64xf32, #q4>, tensor<32x64xf32, #q4>, tensor<64x64xf32, #q4>, tensor<64xf32>, tensor<96x64xf32, #q4>, tensor<96x64xf32, #q4>, tensor<64x96xf32, #q4>) -> tensor<?x64xf32>
    %n = tenon.rms_norm %x2, %an {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %s = tenon.select_rows %n, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %l = tenon.logits %s, %tok : (tensor<?x64xf32>, tensor<512x64xf32, #q4>) -> tensor<?x512xf32>
    return %l : tensor<?x512xf32>
  }
}
