// RUN: tenon-opt %s --tenon-split-attention | FileCheck %s

// CHECK-LABEL: func.func @scaled
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x4x16xf32>, %[[K:[a-z0-9]+]]: tensor<?x2x16xf32>, %[[V:[a-z0-9]+]]: tensor<?x2x16xf32>, %[[KV:[a-z0-9]+]]: !tenon.kv<2, 16>
func.func @scaled(%q: tensor<?x4x16xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>, %kv: !tenon.kv<2, 16>) -> tensor<?x4x16xf32> {
  // CHECK-NEXT: %[[S:.*]] = tenon.scale %[[Q]] {factor = 2.500000e-01 : f32}
  // CHECK-NEXT: %[[W:.*]] = tenon.kv_append %[[K]], %[[V]], %[[KV]]
  // CHECK-NEXT: %[[A:.*]] = tenon.attend %[[S]], %[[W]] {softcap = 5.000000e+01 : f32, window = 512 : i32}
  // CHECK-NEXT: return %[[A]]
  %a = tenon.attention %q, %k, %v, %kv {scale = 0.25 : f32, window = 512 : i32, softcap = 50.0 : f32} : (tensor<?x4x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> tensor<?x4x16xf32>
  return %a : tensor<?x4x16xf32>
}

// A scale of one leaves no product behind.
// CHECK-LABEL: func.func @unscaled
func.func @unscaled(%q: tensor<?x4x16xf32>, %k: tensor<?x2x16xf32>, %kv: !tenon.kv<2, 16>) -> tensor<?x4x16xf32> {
  // CHECK-NOT: tenon.scale
  // CHECK: tenon.kv_append
  // CHECK-NEXT: tenon.attend
  %a = tenon.attention %q, %k, %k, %kv {scale = 1.0 : f32} : (tensor<?x4x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !tenon.kv<2, 16>) -> tensor<?x4x16xf32>
  return %a : tensor<?x4x16xf32>
}
