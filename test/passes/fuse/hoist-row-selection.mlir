// RUN: tenon-opt %s --tenon-hoist-row-selection | FileCheck %s
// RUN: tenon-opt %s --tenon-hoist-row-selection --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @above_norm_and_product
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[ROWS:[a-z0-9]+]]: tensor<?xi32>
func.func @above_norm_and_product(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %w: tensor<64xf32>, %h: tensor<96x64xf32>) -> tensor<?x96xf32> {
  // CHECK-NEXT: %[[S:.*]] = tenon.select_rows %[[X]], %[[ROWS]]
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm %[[S]]
  // CHECK-NEXT: %[[L:.*]] = tenon.logits %[[N]]
  // CHECK-NEXT: return %[[L]]
  %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %l = tenon.logits %n, %h : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %s = tenon.select_rows %l, %rows : (tensor<?x96xf32>, tensor<?xi32>) -> tensor<?x96xf32>
  return %s : tensor<?x96xf32>
}

// The normed rows are all needed: nothing moves.
// CHECK-LABEL: func.func @norm_read_twice
func.func @norm_read_twice(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm
  // CHECK-NEXT: tenon.select_rows %[[N]]
  // WHY: remark: [Missed] HoistRowSelection
  // WHY-SAME: rows stay selected after tenon.rms_norm, which others read too
  %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %s = tenon.select_rows %n, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %n, %s : tensor<?x64xf32>, tensor<?x64xf32>
}

// A sum is not passed: both operands would need a selection.
// CHECK-LABEL: func.func @not_above_sum
func.func @not_above_sum(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.add
  // CHECK-NEXT: tenon.select_rows
  %a = tenon.add %x, %y : tensor<?x64xf32>
  %s = tenon.select_rows %a, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}
