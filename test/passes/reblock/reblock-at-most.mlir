// RUN: tenon-opt %s --tenon-reblock-weights="weights=q4_rm embedding=q5_rm weights-at-most embedding-at-most" | FileCheck %s
// RUN: tenon-opt %s --tenon-reblock-weights="weights=q8_r embedding=q8_r weights-at-most embedding-at-most" | FileCheck %s --check-prefix=WIDE
// RUN: tenon-opt %s --tenon-reblock-weights="weights=q4_rm embedding=q5_rm" | FileCheck %s --check-prefix=ORDER

// CHECK: tenon.weight @table : tensor<512x256xf32, #tenon.blocks<q5_rm>>
// CHECK: tenon.weight @four : tensor<256x256xf32, #tenon.blocks<q4_rm>>
// What the checkpoint gives more bits than other matrices keeps them.
// CHECK: tenon.weight @six : tensor<256x256xf32, #tenon.blocks<q6_k>>
// CHECK: tenon.weight @dense : tensor<256x256xf32, #tenon.blocks<q4_rm>>
// Nothing gets larger, or hardly smaller.
// CHECK: tenon.weight @small : tensor<256x256xf32, #tenon.blocks<q4_0>>
// WIDE: tenon.weight @table : tensor<512x256xf32, #tenon.blocks<q8_0>>
// WIDE: tenon.weight @four : tensor<256x256xf32, #tenon.blocks<q4_1>>
// WIDE: tenon.weight @six : tensor<256x256xf32, #tenon.blocks<q6_k>>
// WIDE: tenon.weight @dense : tensor<256x256xf32, #tenon.blocks<q8_r>>
// A format by its name is what all get.
// ORDER: tenon.weight @four : tensor<256x256xf32, #tenon.blocks<q4_rm>>
// ORDER: tenon.weight @six : tensor<256x256xf32, #tenon.blocks<q4_rm>>
// ORDER: tenon.weight @small : tensor<256x256xf32, #tenon.blocks<q4_rm>>
tenon.weight @table : tensor<512x256xf32, #tenon.blocks<q8_0>>
tenon.weight @four : tensor<256x256xf32, #tenon.blocks<q4_1>>
tenon.weight @six : tensor<256x256xf32, #tenon.blocks<q6_k>>
tenon.weight @dense : tensor<256x256xf32>
tenon.weight @small : tensor<256x256xf32, #tenon.blocks<q4_0>>

func.func @step(%ids: tensor<?xi32>) -> tensor<?x512xf32> {
  %t = tenon.param @table : tensor<512x256xf32, #tenon.blocks<q8_0>>
  %x = tenon.embed %ids, %t {scale = 1.0 : f32} : (tensor<?xi32>, tensor<512x256xf32, #tenon.blocks<q8_0>>) -> tensor<?x256xf32>
  %l = tenon.logits %x, %t : (tensor<?x256xf32>, tensor<512x256xf32, #tenon.blocks<q8_0>>) -> tensor<?x512xf32>
  return %l : tensor<?x512xf32>
}
