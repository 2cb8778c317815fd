// RUN: tenon-opt %s --tenon-reblock-weights="weights=q4_rm embedding=q6_r" 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t.remarks
// RUN: tenon-opt %s --tenon-reblock-weights="weights=f32" 2>/dev/null | FileCheck %s --check-prefix=FLOAT
// RUN: tenon-opt %s --tenon-reblock-weights | FileCheck %s --check-prefix=KEEP
// RUN: not tenon-opt %s --tenon-reblock-weights="weights=q3" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: unknown weight format 'q3'

// CHECK: tenon.weight @table : tensor<512x64xf32, #tenon.blocks<q6_r>>
// CHECK: tenon.weight @wide : tensor<64x64xf32, #tenon.blocks<q4_rm>>
// CHECK: tenon.weight @dense : tensor<64x64xf32, #tenon.blocks<q4_rm>>
// CHECK: tenon.weight @norm : tensor<64xf32>
// FLOAT: tenon.weight @table : tensor<512x64xf32, #tenon.blocks<q8_0>>
// FLOAT: tenon.weight @wide : tensor<64x64xf32>
// KEEP: tenon.weight @table : tensor<512x64xf32, #tenon.blocks<q8_0>>
// KEEP: tenon.weight @wide : tensor<64x64xf32, #tenon.blocks<q4_1>>
// KEEP: tenon.weight @dense : tensor<64x64xf32>
tenon.weight @table : tensor<512x64xf32, #tenon.blocks<q8_0>>
tenon.weight @wide : tensor<64x64xf32, #tenon.blocks<q4_1>>
tenon.weight @dense : tensor<64x64xf32>
tenon.weight @norm : tensor<64xf32>
// Columns that are no whole groups stay.
// REMARK: remark: stays bf16: its 40 columns are no multiple of 32
// CHECK: tenon.weight @odd : tensor<64x40xf32, #tenon.blocks<bf16>>
tenon.weight @odd : tensor<64x40xf32, #tenon.blocks<bf16>>
// So does what the compiler made itself.
// CHECK: tenon.weight @made : tensor<2x32xf32> =
tenon.weight @made : tensor<2x32xf32> = dense<1.0> : tensor<2x32xf32>

// CHECK-LABEL: func.func private @layer
// CHECK-SAME: %{{.*}}: tensor<?x64xf32>, %{{.*}}: tensor<64x64xf32, #tenon.blocks<q4_rm>>, %{{.*}}: tensor<64xf32>
func.func private @layer(%x: tensor<?x64xf32>, %w: tensor<64x64xf32, #tenon.blocks<q4_1>>, %n: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: tenon.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_rm>>)
  %y = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
  %z = tenon.rms_norm %y, %n {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @step
func.func @step(%ids: tensor<?xi32>) -> tensor<?x512xf32> {
  // CHECK: %[[T:.*]] = tenon.param @table : tensor<512x64xf32, #tenon.blocks<q6_r>>
  // CHECK: tenon.embed %{{.*}}, %[[T]]
  // CHECK: %[[W:.*]] = tenon.param @wide : tensor<64x64xf32, #tenon.blocks<q4_rm>>
  // CHECK: call @layer(%{{.*}}, %[[W]], %{{.*}})
  // CHECK: tenon.logits %{{.*}}, %[[T]] : (tensor<?x64xf32>, tensor<512x64xf32, #tenon.blocks<q6_r>>)
  %t = tenon.param @table : tensor<512x64xf32, #tenon.blocks<q8_0>>
  %x = tenon.embed %ids, %t {scale = 1.0 : f32} : (tensor<?xi32>, tensor<512x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x64xf32>
  %w = tenon.param @wide : tensor<64x64xf32, #tenon.blocks<q4_1>>
  %n = tenon.param @norm : tensor<64xf32>
  %y = func.call @layer(%x, %w, %n) : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>, tensor<64xf32>) -> tensor<?x64xf32>
  %l = tenon.logits %y, %t : (tensor<?x64xf32>, tensor<512x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x512xf32>
  return %l : tensor<?x512xf32>
}
