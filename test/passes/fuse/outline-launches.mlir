// RUN: tenon-opt %s --tenon-outline-launches | FileCheck %s

// CHECK-LABEL: func.func @alone
func.func @alone(%ids: tensor<?xi32>, %t: tensor<32x64xf32>, %f: tensor<8xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x2x8xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>) {
  // CHECK: tenon.fused "embed"
  // CHECK: tenon.fused "rope_table"
  // CHECK: tenon.fused "quantize"
  // CHECK: tenon.fused "linear"
  // CHECK-NEXT: tenon.linear
  // CHECK: tenon.fused "linear"
  // CHECK-NEXT: tenon.logits
  %x = tenon.embed %ids, %t : (tensor<?xi32>, tensor<32x64xf32>) -> tensor<?x64xf32>
  %rope = tenon.rope_table %ids, %f : (tensor<?xi32>, tensor<8xf32>) -> tensor<?x2x8xf32>
  %q = tenon.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  %y = tenon.linear %x, %t : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %l = tenon.logits %x, %t : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  return %y, %l, %rope, %q : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x2x8xf32>, tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// What no kernel computes alone stays, and so does what is in a region already.
// CHECK-LABEL: func.func @stays
func.func @stays(%x: tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: tenon.add
  // CHECK-NEXT: tenon.fused "quantize"
  // CHECK-NEXT: tenon.quantize_rows
  // CHECK-NEXT: tenon.yield
  // CHECK-NEXT: }
  // CHECK-NEXT: return
  %0 = tenon.add %x, %x : tensor<?x64xf32>
  %1 = tenon.fused "quantize"(%a = %0 : tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
    %2 = tenon.quantize_rows %a : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    tenon.yield %2 : tensor<?x64xf32, #tenon.rows<int15, 32>>
  }
  return %1 : tensor<?x64xf32, #tenon.rows<int15, 32>>
}
