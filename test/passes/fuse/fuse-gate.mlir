// RUN: tenon-opt %s --tenon-fuse-gate | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-gate --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @quantised
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[G:[a-z0-9]+]]: tensor<96x64xf32>, %[[U:[a-z0-9]+]]: tensor<96x64xf32>
// WHY: remark: [Passed] FuseGate
// WHY-SAME: Function=quantised
// WHY-SAME: linear_gate: 2 linear, gate, quantize_rows
func.func @quantised(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>) -> tensor<?x96xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "linear_gate"(%[[A:.*]] = %[[X]] : {{.*}}, %[[B:.*]] = %[[G]] : {{.*}}, %[[C:.*]] = %[[U]] : {{.*}}) -> tensor<?x96xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[D:.*]] = tenon.linear %[[A]], %[[B]]
  // CHECK-NEXT: %[[E:.*]] = tenon.linear %[[A]], %[[C]]
  // CHECK-NEXT: %[[F:.*]] = tenon.gate silu %[[D]], %[[E]]
  // CHECK-NEXT: %[[Q:.*]] = tenon.quantize_rows %[[F]]
  // CHECK-NEXT: tenon.yield %[[Q]]
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[R]]
  %g = tenon.linear %x, %wg : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %wu : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  %q = tenon.quantize_rows %h : tensor<?x96xf32> -> tensor<?x96xf32, #tenon.rows<int15, 32>>
  return %q : tensor<?x96xf32, #tenon.rows<int15, 32>>
}

// The gated rows are read dense too: their quantisation stays outside.
// CHECK-LABEL: func.func @dense
func.func @dense(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>) -> (tensor<?x96xf32>, tensor<?x96xf32, #tenon.rows<int15, 32>>) {
  // CHECK: %[[R:.*]] = tenon.fused "linear_gate"{{.*}} -> tensor<?x96xf32> {
  // CHECK: }
  // CHECK-NEXT: tenon.quantize_rows %[[R]]
  %g = tenon.linear %x, %wg : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %wu : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate gelu_tanh %g, %u : tensor<?x96xf32>
  %q = tenon.quantize_rows %h : tensor<?x96xf32> -> tensor<?x96xf32, #tenon.rows<int15, 32>>
  return %h, %q : tensor<?x96xf32>, tensor<?x96xf32, #tenon.rows<int15, 32>>
}

// CHECK-LABEL: func.func @different_inputs
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseGate
// WHY-SAME: Function=different_inputs
// WHY-SAME: gate and up read different inputs
func.func @different_inputs(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %g = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %y, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  return %h : tensor<?x96xf32>
}

// CHECK-LABEL: func.func @up_read_twice
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseGate
// WHY-SAME: gate or up has another reader
func.func @up_read_twice(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>) -> (tensor<?x96xf32>, tensor<?x96xf32>) {
  %g = tenon.linear %x, %wg : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %x, %wu : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  return %h, %u : tensor<?x96xf32>, tensor<?x96xf32>
}
