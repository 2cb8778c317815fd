// RUN: tenon-opt %s --tenon-fuse-norm-quantize | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-norm-quantize --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @quantised
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[W:[a-z0-9]+]]: tensor<64xf32>
func.func @quantised(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "norm_quant"(%[[A:.*]] = %[[X]] : {{.*}}, %[[B:.*]] = %[[W]] : {{.*}}) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm %[[A]], %[[B]]
  // CHECK-NEXT: %[[Q:.*]] = tenon.quantize_rows %[[N]]
  // CHECK-NEXT: tenon.yield %[[Q]]
  %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %q : tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// CHECK-LABEL: func.func @gathered
func.func @gathered(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %w: tensor<64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: tenon.fused "norm_quant"
  // CHECK-NEXT: tenon.select_rows
  // CHECK-NEXT: tenon.rms_norm
  // CHECK-NEXT: tenon.quantize_rows
  // CHECK-NEXT: tenon.yield
  %s = tenon.select_rows %x, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %n = tenon.rms_norm %s, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %q : tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// Kept rows are the residual of what follows: the region yields them beside the normed ones.
// CHECK-LABEL: func.func @kept
func.func @kept(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>) {
  // CHECK-NEXT: %[[R:.*]]:2 = tenon.fused "norm_quant"
  // CHECK-NEXT: %[[S:.*]] = tenon.select_rows {{.*}} {kept}
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm %[[S]]
  // CHECK-NEXT: %[[Q:.*]] = tenon.quantize_rows %[[N]]
  // CHECK-NEXT: tenon.yield %[[S]], %[[Q]]
  // CHECK: return %[[R]]#0, %[[R]]#1
  %s = tenon.select_rows %x, %rows {kept} : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %n = tenon.rms_norm %s, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %s, %q : tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// Read dense and quantised: the norm goes alone, the quantisation stays.
// CHECK-LABEL: func.func @both
// WHY: remark: [Missed] FuseNormQuantize
// WHY-SAME: Function=both
// WHY-SAME: the normed rows are read both dense and quantised
// WHY: remark: [Analysis] FuseNormQuantize
// WHY-SAME: norm_quant: rms_norm
func.func @both(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>) {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "norm_quant"{{.*}} -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.rms_norm
  // CHECK-NEXT: tenon.yield
  // CHECK-NEXT: }
  // CHECK-NEXT: tenon.quantize_rows %[[R]]
  %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %n, %q : tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// A norm per head is not this pass's.
// CHECK-LABEL: func.func @per_head
func.func @per_head(%x: tensor<?x4x16xf32>, %w: tensor<16xf32>) -> tensor<?x4x16xf32> {
  // CHECK-NEXT: tenon.rms_norm
  // CHECK-NEXT: return
  %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x4x16xf32>, tensor<16xf32>) -> tensor<?x4x16xf32>
  return %n : tensor<?x4x16xf32>
}
