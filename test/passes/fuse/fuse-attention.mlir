// RUN: tenon-opt %s --tenon-fuse-attention | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-attention --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @quantised
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x4x32xf32>, %[[KV:[a-z0-9]+]]: !tenon.kv<2, 32>
func.func @quantised(%q: tensor<?x4x32xf32>, %kv: !tenon.kv<2, 32>) -> tensor<?x128xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "attention"(%[[A:.*]] = %[[X]] : {{.*}}, %[[B:.*]] = %[[KV]] : !tenon.kv<2, 32>) -> tensor<?x128xf32, #tenon.rows<int15, 32>> {
  // CHECK-NEXT: %[[C:.*]] = tenon.attend %[[A]], %[[B]] {window = 8 : i32}
  // CHECK-NEXT: %[[M:.*]] = tenon.merge_heads %[[C]]
  // CHECK-NEXT: %[[Q:.*]] = tenon.quantize_rows %[[M]]
  // CHECK-NEXT: tenon.yield %[[Q]]
  %a = tenon.attend %q, %kv {window = 8 : i32} : (tensor<?x4x32xf32>, !tenon.kv<2, 32>) -> tensor<?x4x32xf32>
  %m = tenon.merge_heads %a : tensor<?x4x32xf32> -> tensor<?x128xf32>
  %r = tenon.quantize_rows %m : tensor<?x128xf32> -> tensor<?x128xf32, #tenon.rows<int15, 32>>
  return %r : tensor<?x128xf32, #tenon.rows<int15, 32>>
}

// Heads of 16 would share a group of 32: the rows are quantised by a launch of their own.
// CHECK-LABEL: func.func @groups_span_heads
// CHECK: tenon.fused "attention"{{.*}} -> tensor<?x64xf32> {
// CHECK: tenon.quantize_rows
// WHY: remark: [Missed] FuseAttention
// WHY-SAME: a group of 32 columns would span two heads
func.func @groups_span_heads(%q: tensor<?x4x16xf32>, %kv: !tenon.kv<2, 16>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  %a = tenon.attend %q, %kv : (tensor<?x4x16xf32>, !tenon.kv<2, 16>) -> tensor<?x4x16xf32>
  %m = tenon.merge_heads %a : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %r = tenon.quantize_rows %m : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  return %r : tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// CHECK-LABEL: func.func @dense
func.func @dense(%q: tensor<?x4x16xf32>, %kv: !tenon.kv<2, 16>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.fused "attention"{{.*}} -> tensor<?x64xf32> {
  %a = tenon.attend %q, %kv : (tensor<?x4x16xf32>, !tenon.kv<2, 16>) -> tensor<?x4x16xf32>
  %m = tenon.merge_heads %a : tensor<?x4x16xf32> -> tensor<?x64xf32>
  return %m : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @heads_read_twice
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseAttention
// WHY-SAME: the heads are not read by one tenon.merge_heads
func.func @heads_read_twice(%q: tensor<?x4x16xf32>, %kv: !tenon.kv<2, 16>) -> (tensor<?x64xf32>, tensor<?x4x16xf32>) {
  %a = tenon.attend %q, %kv : (tensor<?x4x16xf32>, !tenon.kv<2, 16>) -> tensor<?x4x16xf32>
  %m = tenon.merge_heads %a : tensor<?x4x16xf32> -> tensor<?x64xf32>
  return %m, %a : tensor<?x64xf32>, tensor<?x4x16xf32>
}
