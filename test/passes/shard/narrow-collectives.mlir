// RUN: tenon-opt %s --tenon-narrow-collectives | FileCheck %s

shard.grid @chips(shape = 1x2)

// CHECK-LABEL: func.func @product
// CHECK-NEXT: %[[P:.*]] = tenon.linear
// CHECK-NEXT: %[[R:.*]] = tenon.round_rows %[[P]] : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
// CHECK-NEXT: %[[S:.*]] = tenon.all_reduce %[[R]] axis 1 : tensor<?x64xf32, #tenon.rows<bf16, 1>>
// CHECK-NEXT: tenon.add %arg0, %[[S]] : tensor<?x64xf32>
func.func @product(%x: tensor<?x64xf32>, %h: tensor<?x32xf32>, %w: tensor<64x32xf32>) -> tensor<?x64xf32> {
  %p = tenon.linear %h, %w : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
  %s = tenon.all_reduce %p axis 1 : tensor<?x64xf32>
  %y = tenon.add %x, %s : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Must not fire: a row of the embedding is one chip's alone.
// CHECK-LABEL: func.func @embedding
// CHECK-NOT: tenon.round_rows
func.func @embedding(%ids: tensor<?xi32>, %w: tensor<32x64xf32>) -> tensor<?x64xf32> {
  %e = tenon.embed %ids, %w {partial, scale = 1.0 : f32} : (tensor<?xi32>, tensor<32x64xf32>) -> tensor<?x64xf32>
  %s = tenon.all_reduce %e axis 1 : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// Must not fire: somebody else reads the product, or a sum of two is added up.
// CHECK-LABEL: func.func @read_elsewhere
// CHECK-NOT: tenon.round_rows
func.func @read_elsewhere(%h: tensor<?x32xf32>, %w: tensor<64x32xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %p = tenon.linear %h, %w : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
  %s = tenon.all_reduce %p axis 1 : tensor<?x64xf32>
  return %p, %s : tensor<?x64xf32>, tensor<?x64xf32>
}
