// RUN: tenon-opt %s --split-input-file --tenon-keep-rows | FileCheck %s
// RUN: tenon-opt %s --split-input-file --tenon-keep-rows --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// The feed-forward part of the last layer is computed for the rows kept; the one before stays as it is.
// WHY: remark: [Passed] KeepRows
// WHY-SAME: the last layer goes on with the rows that are needed, for 3 products
// CHECK-LABEL: func.func private @layer_0(
// CHECK-NOT: select_rows
// CHECK-LABEL: func.func private @layer_last(
// CHECK-SAME: %[[KEPT:[a-z0-9]+]]: tensor<?xi32>) -> tensor<?x64xf32>
func.func private @layer_0(%x: tensor<?x64xf32>, %h4: tensor<?x4x16xf32>, %wo: tensor<64x64xf32>, %nw: tensor<64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>, %wd: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[O:.*]] = tenon.linear
  // CHECK-NEXT: %[[A:.*]] = tenon.add %{{.*}}, %[[O]]
  // CHECK-NEXT: %[[S:.*]] = tenon.select_rows %[[A]], %[[KEPT]] {kept}
  // CHECK-NEXT: %[[N:.*]] = tenon.rms_norm %[[S]]
  // CHECK-NEXT: tenon.linear %[[N]]
  // CHECK-NEXT: tenon.linear %[[N]]
  // CHECK-NEXT: tenon.gate
  // CHECK-NEXT: %[[D:.*]] = tenon.linear
  // CHECK-NEXT: tenon.add %[[S]], %[[D]]
  %m = tenon.merge_heads %h4 : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %o = tenon.linear %m, %wo : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %a = tenon.add %x, %o : tensor<?x64xf32>
  %n = tenon.rms_norm %a, %nw {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %g = tenon.linear %n, %wg : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %u = tenon.linear %n, %wu : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  %h = tenon.gate silu %g, %u : tensor<?x96xf32>
  %d = tenon.linear %h, %wd : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %r = tenon.add %a, %d : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[ROWS:[a-z0-9]+]]: tensor<?xi32>, %{{[a-z0-9]+}}: tensor<?x4x16xf32>
// CHECK-SAME: %[[ALL:[a-z0-9]+]]: tensor<?xi32>)
func.func @step(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %h4: tensor<?x4x16xf32>, %wo: tensor<64x64xf32>, %nw: tensor<64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32>, %wd: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[FIRST:.*]] = call @layer_0(
  // CHECK-NEXT: %[[LAST:.*]] = call @layer_last(%[[FIRST]], {{.*}}, %[[ALL]])
  // CHECK-NEXT: tenon.select_rows %[[LAST]], %[[ROWS]] :
  %0 = call @layer_0(%x, %h4, %wo, %nw, %wg, %wu, %wd) : (tensor<?x64xf32>, tensor<?x4x16xf32>, tensor<64x64xf32>, tensor<64xf32>, tensor<96x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %1 = call @layer_0(%0, %h4, %wo, %nw, %wg, %wu, %wd) : (tensor<?x64xf32>, tensor<?x4x16xf32>, tensor<64x64xf32>, tensor<64xf32>, tensor<96x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.select_rows %1, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// -----

// Parts of a sum that chips hold go through the sum; a layer that only the last call uses is replaced.
// CHECK-LABEL: module
// CHECK-NOT: @layer_0
// CHECK-LABEL: func.func private @layer_last(
func.func private @layer_0(%x: tensor<?x64xf32>, %wd: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[S:.*]] = tenon.select_rows %{{.*}}, %{{.*}} {kept}
  // CHECK-NEXT: %[[D:.*]] = tenon.linear %[[S]]
  // CHECK-NEXT: tenon.all_reduce %[[D]]
  %d = tenon.linear %x, %wd : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %r = tenon.all_reduce %d axis 0 : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

func.func @step(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %wd: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %0 = call @layer_0(%x, %wd) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %s = tenon.select_rows %0, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// -----

// Somebody wants all rows of the layer.
// WHY: remark: [Missed] KeepRows
// WHY-SAME: something else reads the last layer's rows too
// CHECK-LABEL: func.func private @layer_0(
func.func private @layer_0(%x: tensor<?x64xf32>, %wd: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %d = tenon.linear %x, %wd : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @step(
func.func @step(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %wd: tensor<64x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NEXT: call @layer_0(
  %0 = call @layer_0(%x, %wd) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %s = tenon.select_rows %0, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %0, %s : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// The layer ends with a sum of what it got: no product would be saved.
// WHY: remark: [Missed] KeepRows
// WHY-SAME: no product stands in the rows' own end of the layer
func.func private @layer_0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %r = tenon.add %x, %y : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @step(
func.func @step(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: call @layer_0(
  %0 = call @layer_0(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = tenon.select_rows %0, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}
