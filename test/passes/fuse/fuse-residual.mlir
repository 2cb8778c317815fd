// RUN: tenon-opt %s --tenon-fuse-residual | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-residual --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @residual
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[Y:[a-z0-9]+]]: tensor<?x96xf32>, %[[W:[a-z0-9]+]]: tensor<64x96xf32>
// WHY: remark: [Passed] FuseResidual
// WHY-SAME: linear: linear, add
func.func @residual(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[R:.*]] = tenon.fused "linear"(%[[A:.*]] = %[[Y]] : {{.*}}, %[[B:.*]] = %[[W]] : {{.*}}, %[[C:.*]] = %[[X]] : {{.*}}) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[D:.*]] = tenon.linear %[[A]], %[[B]]
  // CHECK-NEXT: %[[E:.*]] = tenon.add %[[C]], %[[D]]
  // CHECK-NEXT: tenon.yield %[[E]]
  // CHECK-NEXT: }
  // CHECK-NEXT: return %[[R]]
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %d : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// The product may stand on either side of the sum.
// CHECK-LABEL: func.func @product_first
func.func @product_first(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: tenon.fused "linear"
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.add %d, %x : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @residual_read_later
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseResidual
// WHY-SAME: the sum would be written over a value that func.return reads later
func.func @residual_read_later(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %d : tensor<?x64xf32>
  return %s, %x : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @product_read_twice
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseResidual
// WHY-SAME: the product has another reader
func.func @product_read_twice(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %d = tenon.linear %y, %w : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  %s = tenon.add %x, %d : tensor<?x64xf32>
  return %s, %d : tensor<?x64xf32>, tensor<?x64xf32>
}
