// RUN: tenon-opt %s --tenon-fuse-post-norm | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-post-norm --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @with_next_norm
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[Y:[a-z0-9]+]]: tensor<?x64xf32>, %[[W:[a-z0-9]+]]: tensor<64xf32>
// WHY: remark: [Passed] FusePostNorm
// WHY-SAME: norm_add_norm_quant: 2 rms_norm, add, quantize_rows
func.func @with_next_norm(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>) {
  // CHECK-NEXT: %[[R:.*]]:2 = tenon.fused "norm_add_norm_quant"(%[[A:.*]] = %[[Y]] : {{.*}}, %[[B:.*]] = %[[W]] : {{.*}}, %[[C:.*]] = %[[X]] : {{.*}}) -> (tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>) {
  // CHECK-NEXT: %[[P:.*]] = tenon.rms_norm %[[A]], %[[B]]
  // CHECK-NEXT: %[[S:.*]] = tenon.add %[[C]], %[[P]]
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm %[[S]], %[[B]]
  // CHECK-NEXT: %[[Q:.*]] = tenon.quantize_rows %[[N]]
  // CHECK-NEXT: tenon.yield %[[S]], %[[Q]]
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[R]]#0, %[[R]]#1
  %p = tenon.rms_norm %y, %w {eps = 1.0e-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %p : tensor<?x64xf32>
  %n = tenon.rms_norm %s, %w {eps = 1.0e-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %s, %q : tensor<?x64xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// CHECK-LABEL: func.func @sum_alone
func.func @sum_alone(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.fused "norm_add"
  %p = tenon.rms_norm %y, %w {eps = 1.0e-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %p : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @residual_read_later
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FusePostNorm
// WHY-SAME: the sum would be written over a value that func.return reads later
func.func @residual_read_later(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %p = tenon.rms_norm %y, %w {eps = 1.0e-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %p : tensor<?x64xf32>
  return %s, %x : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @norm_read_twice
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FusePostNorm
// WHY-SAME: the post norm has another reader
func.func @norm_read_twice(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %p = tenon.rms_norm %y, %w {eps = 1.0e-6 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %p : tensor<?x64xf32>
  return %s, %p : tensor<?x64xf32>, tensor<?x64xf32>
}

// A plain sum is not this pass's.
// CHECK-LABEL: func.func @no_norm
func.func @no_norm(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.add
  %s = tenon.add %x, %y : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}
