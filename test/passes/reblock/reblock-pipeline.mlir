// RUN: tenon-opt %s --tenon-reblock="weights=q4_rm" | FileCheck %s
// RUN: tenon-opt %s --tenon-reblock | FileCheck %s --check-prefix=KEEP
//
// The whole stage: two layers that differ in the format of a matrix alone become one function, so that compile time stays
// that of one layer. Without another format nothing may be merged: the functions differ.

// CHECK: tenon.weight @first : tensor<64x64xf32, #tenon.blocks<q4_rm>>
// CHECK: tenon.weight @second : tensor<64x64xf32, #tenon.blocks<q4_rm>>
// KEEP: tenon.weight @first : tensor<64x64xf32, #tenon.blocks<q4_1>>
// KEEP: tenon.weight @second : tensor<64x64xf32, #tenon.blocks<q8_0>>
tenon.weight @first : tensor<64x64xf32, #tenon.blocks<q4_1>>
tenon.weight @second : tensor<64x64xf32, #tenon.blocks<q8_0>>

// CHECK-COUNT-1: func.func private @layer_
// CHECK-NOT: func.func private @layer_
// KEEP: func.func private @layer_0
// KEEP: func.func private @layer_1
func.func private @layer_0(%x: tensor<?x64xf32>, %w: tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32> {
  %y = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func private @layer_1(%x: tensor<?x64xf32>, %w: tensor<64x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x64xf32> {
  %y = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK: func.func @step
// CHECK: %[[W:.*]] = tenon.param @first
// CHECK: %[[Y:.*]] = call @[[LAYER:layer_[01]]](%{{.*}}, %[[W]])
// CHECK: %[[V:.*]] = tenon.param @second
// CHECK: call @[[LAYER]](%[[Y]], %[[V]])
// KEEP: call @layer_0
// KEEP: call @layer_1
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = tenon.param @first : tensor<64x64xf32, #tenon.blocks<q4_1>>
  %y = func.call @layer_0(%x, %w) : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
  %v = tenon.param @second : tensor<64x64xf32, #tenon.blocks<q8_0>>
  %z = func.call @layer_1(%y, %v) : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
