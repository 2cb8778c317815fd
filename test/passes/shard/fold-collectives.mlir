// RUN: tenon-opt %s --split-input-file --tenon-fold-collectives | FileCheck %s

shard.grid @chips(shape = 1x2)

// CHECK-LABEL: func.func @two_sums_meet
// CHECK-NEXT: %[[T:.*]] = tenon.add %arg0, %arg1
// CHECK-NEXT: %[[S:.*]] = tenon.all_reduce %[[T]] axis 1
// CHECK-NEXT: return %[[S]]
func.func @two_sums_meet(%a: tensor<?x64xf32>, %b: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a1 = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  %b1 = tenon.all_reduce %b axis 1 : tensor<?x64xf32>
  %c = tenon.add %a1, %b1 : tensor<?x64xf32>
  return %c : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @twice
// CHECK-NEXT: %[[S:.*]] = tenon.all_reduce %arg0 axis 1
// CHECK-NEXT: return %[[S]], %[[S]]
func.func @twice(%a: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %x = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  %y = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  return %x, %y : tensor<?x64xf32>, tensor<?x64xf32>
}

// Must not fire: one of the sums is read elsewhere; and the residual is no sum over chips.
// CHECK-LABEL: func.func @read_elsewhere
// CHECK-COUNT-2: tenon.all_reduce
// CHECK: tenon.add
func.func @read_elsewhere(%a: tensor<?x64xf32>, %b: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %a1 = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  %b1 = tenon.all_reduce %b axis 1 : tensor<?x64xf32>
  %c = tenon.add %a1, %b1 : tensor<?x64xf32>
  return %c, %a1 : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @residual
// CHECK-NEXT: %[[S:.*]] = tenon.all_reduce %arg1 axis 1
// CHECK-NEXT: tenon.add %arg0, %[[S]]
func.func @residual(%x: tensor<?x64xf32>, %b: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %b1 = tenon.all_reduce %b axis 1 : tensor<?x64xf32>
  %c = tenon.add %x, %b1 : tensor<?x64xf32>
  return %c : tensor<?x64xf32>
}

// -----

shard.grid @chips(shape = 2x1)

// CHECK-LABEL: func.func @alone
// CHECK-NEXT: return %arg0
func.func @alone(%a: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %x = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @gathered_alone
// CHECK-NEXT: return %arg0
func.func @gathered_alone(%a: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %x = tenon.gather_columns %a axis 1 begins [0, 64] : tensor<?x64xf32> -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}

// -----

shard.grid @chips(shape = 2x2)

// Must not fire: sums along different axes do not meet, and columns of two chips are not one's.
// CHECK-LABEL: func.func @different_axes
// CHECK-NEXT: tenon.all_reduce %arg0 axis 0
// CHECK-NEXT: tenon.all_reduce %arg1 axis 1
// CHECK-NEXT: tenon.add
// CHECK-NEXT: tenon.all_reduce %arg0 axis 1
func.func @different_axes(%a: tensor<?x64xf32>, %b: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %a1 = tenon.all_reduce %a axis 0 : tensor<?x64xf32>
  %b1 = tenon.all_reduce %b axis 1 : tensor<?x64xf32>
  %c = tenon.add %a1, %b1 : tensor<?x64xf32>
  %d = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
  return %c, %d : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @gathered
// CHECK-NEXT: tenon.gather_columns
func.func @gathered(%a: tensor<?x32xf32>) -> tensor<?x64xf32> {
  %x = tenon.gather_columns %a axis 1 begins [0, 32, 64] : tensor<?x32xf32> -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}
