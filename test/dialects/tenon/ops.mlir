// RUN: tenon-opt %s | tenon-opt | FileCheck %s
// RUN: tenon-opt %s --mlir-print-op-generic | tenon-opt | FileCheck %s

#q4 = #tenon.blocks<q4_1>

// CHECK: module @ops attributes {tenon.config = {layers = 2 : i64}, tenon.max_context = 64 : i64}
module @ops attributes {tenon.config = {layers = 2 : i64}, tenon.max_context = 64 : i64} {
  // CHECK: tenon.weight @blk.0.w : tensor<64x64xf32, #tenon.blocks<q4_1>>
  tenon.weight @"blk.0.w" : tensor<64x64xf32, #q4>
  // CHECK: tenon.weight @k : tensor<64x256xf32, #tenon.blocks<q6_k>>
  tenon.weight @k : tensor<64x256xf32, #tenon.blocks<q6_k>>
  // CHECK: tenon.weight @freq : tensor<2xf32> = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>
  tenon.weight @freq : tensor<2xf32> = dense<[1.0, 0.5]> : tensor<2xf32>

  // CHECK-LABEL: func.func @params
  func.func @params() -> (tensor<64x64xf32, #q4>, tensor<2xf32>) {
    // CHECK: tenon.param @blk.0.w : tensor<64x64xf32, #tenon.blocks<q4_1>>
    %w = tenon.param @"blk.0.w" : tensor<64x64xf32, #q4>
    // CHECK: tenon.param @freq : tensor<2xf32>
    %f = tenon.param @freq : tensor<2xf32>
    return %w, %f : tensor<64x64xf32, #q4>, tensor<2xf32>
  }

  // CHECK-LABEL: func.func @inputs
  func.func @inputs(%ids: tensor<?xi32>, %rows: tensor<?xi32>, %table: tensor<512x64xf32, #q4>,
                    %freq: tensor<8xf32>, %cache: !tenon.cache<4, 3, 64>) {
    // CHECK: tenon.embed %{{.*}}, %{{.*}} {scale = 8.000000e+00 : f32} : (tensor<?xi32>, tensor<512x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
    %x = tenon.embed %ids, %table {scale = 8.0 : f32} : (tensor<?xi32>, tensor<512x64xf32, #q4>) -> tensor<?x64xf32>
    // CHECK: tenon.rope_table %{{.*}}, %{{.*}} : (tensor<?xi32>, tensor<8xf32>) -> tensor<?x2x8xf32>
    %rope = tenon.rope_table %ids, %freq {scale = 1.0 : f32} : (tensor<?xi32>, tensor<8xf32>) -> tensor<?x2x8xf32>
    // CHECK: tenon.kv_layer %{{.*}}[3] : !tenon.cache<4, 3, 64> -> !tenon.kv<3, 64>
    %kv = tenon.kv_layer %cache[3] : !tenon.cache<4, 3, 64> -> !tenon.kv<3, 64>
    // CHECK: tenon.select_rows %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %s = tenon.select_rows %x, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    return
  }

  // CHECK-LABEL: func.func @dense
  func.func @dense(%x: tensor<?x64xf32>, %n: tensor<64xf32>, %w: tensor<96x64xf32, #q4>,
                   %d: tensor<48x64xf32>, %h: tensor<48x64xf32, #tenon.blocks<bf16>>) {
    // CHECK: tenon.rms_norm %{{.*}}, %{{.*}} {eps = 9.99999974E-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %0 = tenon.rms_norm %x, %n {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    // CHECK: tenon.quantize_rows %{{.*}} : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    %1 = tenon.quantize_rows %0 : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    // CHECK: %[[ROUNDED:.*]] = tenon.round_rows %{{.*}} : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
    %rounded = tenon.round_rows %0 : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
    // CHECK: %[[SUM:.*]] = tenon.all_reduce %[[ROUNDED]] axis 1 : tensor<?x64xf32, #tenon.rows<bf16, 1>>
    %sum = tenon.all_reduce %rounded axis 1 : tensor<?x64xf32, #tenon.rows<bf16, 1>>
    // CHECK: tenon.add %[[SUM]], %[[SUM]] : tensor<?x64xf32>
    %twice = tenon.add %sum, %sum : tensor<?x64xf32>
    // CHECK: tenon.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32, #tenon.rows<int15, 32>>, tensor<96x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x96xf32>
    %2 = tenon.linear %1, %w : (tensor<?x64xf32, #tenon.rows<int15, 32>>, tensor<96x64xf32, #q4>) -> tensor<?x96xf32>
    // CHECK: tenon.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<48x64xf32>) -> tensor<?x48xf32>
    %3 = tenon.linear %0, %d : (tensor<?x64xf32>, tensor<48x64xf32>) -> tensor<?x48xf32>
    // CHECK: tenon.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<48x64xf32, #tenon.blocks<bf16>>) -> tensor<?x48xf32>
    %4 = tenon.linear %0, %h : (tensor<?x64xf32>, tensor<48x64xf32, #tenon.blocks<bf16>>) -> tensor<?x48xf32>
    // CHECK: tenon.gate silu %{{.*}}, %{{.*}} : tensor<?x48xf32>
    %5 = tenon.gate silu %3, %4 : tensor<?x48xf32>
    // CHECK: tenon.gate gelu_tanh %{{.*}}, %{{.*}} : tensor<?x48xf32>
    %6 = tenon.gate gelu_tanh %3, %4 : tensor<?x48xf32>
    // CHECK: tenon.add %{{.*}}, %{{.*}} : tensor<?x48xf32>
    %7 = tenon.add %5, %6 : tensor<?x48xf32>
    // CHECK: tenon.scale %{{.*}} {factor = 5.000000e-01 : f32} : tensor<?x48xf32>
    %8 = tenon.scale %7 {factor = 0.5 : f32} : tensor<?x48xf32>
    // CHECK: tenon.logits %{{.*}}, %{{.*}} {softcap = 3.000000e+01 : f32} : (tensor<?x64xf32>, tensor<96x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x96xf32>
    %9 = tenon.logits %x, %w {softcap = 30.0 : f32} : (tensor<?x64xf32>, tensor<96x64xf32, #q4>) -> tensor<?x96xf32>
    return
  }

  // CHECK-LABEL: func.func @attention
  func.func @attention(%x: tensor<?x128xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>,
                       %rope: tensor<?x2x4xf32>, %kv: !tenon.kv<2, 16>, %n: tensor<16xf32>) -> tensor<?x128xf32> {
    // CHECK: tenon.split_heads %{{.*}} : tensor<?x128xf32> -> tensor<?x8x16xf32>
    %0 = tenon.split_heads %x : tensor<?x128xf32> -> tensor<?x8x16xf32>
    // CHECK: tenon.rms_norm %{{.*}} : (tensor<?x8x16xf32>, tensor<16xf32>) -> tensor<?x8x16xf32>
    %1 = tenon.rms_norm %0, %n {eps = 0.0 : f32} : (tensor<?x8x16xf32>, tensor<16xf32>) -> tensor<?x8x16xf32>
    // CHECK: tenon.rope %{{.*}}, %{{.*}} {rotary = 8 : i32} : (tensor<?x8x16xf32>, tensor<?x2x4xf32>) -> tensor<?x8x16xf32>
    %2 = tenon.rope %1, %rope {rotary = 8 : i32} : (tensor<?x8x16xf32>, tensor<?x2x4xf32>) -> tensor<?x8x16xf32>
    // CHECK: tenon.attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {scale = 2.500000e-01 : f32, softcap = 5.000000e+01 : f32, window = 512 : i32}
    %3 = tenon.attention %2, %k, %v, %kv {scale = 0.25 : f32, window = 512 : i32, softcap = 50.0 : f32} : (tensor<?x8x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> tensor<?x8x16xf32>
    // CHECK: tenon.kv_append %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> !tenon.kv<2, 16>
    %kv1 = tenon.kv_append %k, %v, %kv : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> !tenon.kv<2, 16>
    // CHECK: tenon.attend %{{.*}}, %{{.*}} : (tensor<?x8x16xf32>, !tenon.kv<2, 16>) -> tensor<?x8x16xf32>
    %4 = tenon.attend %3, %kv1 : (tensor<?x8x16xf32>, !tenon.kv<2, 16>) -> tensor<?x8x16xf32>
    // CHECK: tenon.merge_heads %{{.*}} : tensor<?x8x16xf32> -> tensor<?x128xf32>
    %5 = tenon.merge_heads %4 : tensor<?x8x16xf32> -> tensor<?x128xf32>
    return %5 : tensor<?x128xf32>
  }

  // CHECK-LABEL: func.func @fused
  // CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[W:[a-z0-9]+]]: tensor<64xf32>
  func.func @fused(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
    // CHECK: tenon.fused "norm_quant"(%[[A:.*]] = %[[X]] : tensor<?x64xf32>, %[[B:.*]] = %[[W]] : tensor<64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> attributes {note = 1 : i32} {
    // CHECK-NEXT: tenon.rms_norm %[[A]], %[[B]]
    // CHECK: tenon.yield %{{.*}} : tensor<?x64xf32, #tenon.rows<int15, 32>>
    %0 = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> attributes {note = 1 : i32} {
      %1 = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      %2 = tenon.quantize_rows %1 : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
      tenon.yield %2 : tensor<?x64xf32, #tenon.rows<int15, 32>>
    }
    return %0 : tensor<?x64xf32, #tenon.rows<int15, 32>>
  }
}
