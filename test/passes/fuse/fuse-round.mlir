// RUN: tenon-opt %s --split-input-file --tenon-fuse-round --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @parts
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[Y:[a-z0-9]+]]: tensor<?x96xf32>, %[[W:[a-z0-9]+]]: tensor<64x96xf32>
func.func @parts(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "linear"(%[[A:.*]] = %[[Y]] : {{.*}}, %[[B:.*]] = %[[W]] : {{.*}}) -> tensor<?x64xf32, #tenon.rows<bf16, 1>> {
  // CHECK-NEXT: %[[D:.*]] = tenon.linear %[[A]], %[[B]]
  // CHECK-NEXT: %[[E:.*]] = tenon.round_rows %[[D]]
  // CHECK-NEXT: tenon.yield %[[E]]
  // CHECK-NEXT: }
  // CHECK-NEXT: tenon.all_reduce %[[R]] axis 1
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %r = tenon.round_rows %d : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
  %s = tenon.all_reduce %r axis 1 : tensor<?x64xf32, #tenon.rows<bf16, 1>>
  %t = tenon.add %x, %s : tensor<?x64xf32>
  return %t : tensor<?x64xf32>
}

// Must not fire: a product that nobody rounds.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: tenon.fused
func.func @whole(%y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.all_reduce %d axis 1 : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// -----

func.func @read_twice(%y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  // expected-error @below {{rounds what is no product of its own}}
  %r = tenon.round_rows %d : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
  %s = tenon.all_reduce %r axis 1 : tensor<?x64xf32, #tenon.rows<bf16, 1>>
  return %s, %d : tensor<?x64xf32>, tensor<?x64xf32>
}
