// RUN: tenon-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @merge_of_split
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @merge_of_split(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: return %[[X]]
  %0 = tenon.split_heads %x : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %1 = tenon.merge_heads %0 : tensor<?x4x16xf32> -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @split_of_merge
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x4x16xf32>
func.func @split_of_merge(%x: tensor<?x4x16xf32>) -> tensor<?x4x16xf32> {
  // CHECK-NEXT: return %[[X]]
  %0 = tenon.merge_heads %x : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %1 = tenon.split_heads %0 : tensor<?x64xf32> -> tensor<?x4x16xf32>
  return %1 : tensor<?x4x16xf32>
}

// -----

// Other heads are other values.
// CHECK-LABEL: func.func @split_of_merge_into_other_heads
func.func @split_of_merge_into_other_heads(%x: tensor<?x4x16xf32>) -> tensor<?x2x32xf32> {
  // CHECK: tenon.merge_heads
  // CHECK: tenon.split_heads
  %0 = tenon.merge_heads %x : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %1 = tenon.split_heads %0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  return %1 : tensor<?x2x32xf32>
}

// -----

// CHECK-LABEL: func.func @scale_by_one
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @scale_by_one(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NEXT: %[[S:.*]] = tenon.scale
  // CHECK-NEXT: return %[[X]], %[[S]]
  %0 = tenon.scale %x {factor = 1.0 : f32} : tensor<?x64xf32>
  %1 = tenon.scale %x {factor = 2.0 : f32} : tensor<?x64xf32>
  return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// An input that nothing reads goes, one that is captured twice is captured once.
// CHECK-LABEL: func.func @captures
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @captures(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: tenon.fused "sum"(%[[A:.*]] = %[[X]] : tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.add %[[A]], %[[A]]
  %0 = tenon.fused "sum"(%a = %x : tensor<?x64xf32>, %b = %x : tensor<?x64xf32>, %c = %y : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %1 = tenon.add %a, %b : tensor<?x64xf32>
    tenon.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// The KV write has an effect and stays, though nothing reads its handle.
// CHECK-LABEL: func.func @effects
func.func @effects(%k: tensor<?x2x16xf32>, %kv: !tenon.kv<2, 16>) {
  // CHECK-NEXT: tenon.kv_append
  // CHECK-NEXT: return
  %0 = tenon.kv_append %k, %k, %kv : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> !tenon.kv<2, 16>
  %1 = tenon.scale %k {factor = 2.0 : f32} : tensor<?x2x16xf32>
  return
}
