// RUN: tenon-opt %s --tenon-fuse-qkv | FileCheck %s
// RUN: tenon-opt %s --tenon-fuse-qkv --remarks-filter=fuse 2>&1 | FileCheck %s --check-prefix=WHY

// CHECK-LABEL: func.func @plain
// WHY: remark: [Passed] FuseQkv
// WHY-SAME: linear_qkv: 3 linear, 3 split_heads, 2 rope, scale, kv_append
func.func @plain(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>) -> tensor<?x2x32xf32> {
  // CHECK-NEXT: %[[R:.*]]:2 = tenon.fused "linear_qkv"({{.*}}) -> (tensor<?x2x32xf32>, !tenon.kv<1, 32>) {
  // CHECK-COUNT-3: tenon.linear
  // CHECK-COUNT-3: tenon.split_heads
  // CHECK-COUNT-2: tenon.rope
  // CHECK-NEXT: %[[Q:.*]] = tenon.scale
  // CHECK-NEXT: %[[KV:.*]] = tenon.kv_append
  // CHECK-NEXT: tenon.yield %[[Q]], %[[KV]]
  // CHECK-NEXT: }
  // CHECK-NEXT: %[[A:.*]] = tenon.attend %[[R]]#0, %[[R]]#1
  // CHECK-NEXT: return %[[A]]
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k2 = tenon.rope %k1, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a : tensor<?x2x32xf32>
}

// Gemma 3 norms every head of query and key.
// CHECK-LABEL: func.func @normed_heads
// WHY: remark: [Passed] FuseQkv
// WHY-SAME: linear_qkv: 3 linear, 3 split_heads, 2 rms_norm, 2 rope, scale, kv_append
func.func @normed_heads(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>, %hn: tensor<32xf32>) -> tensor<?x2x32xf32> {
  // CHECK-NEXT: tenon.fused "linear_qkv"
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q3 = tenon.rms_norm %q1, %hn {eps = 1.0e-6 : f32} : (tensor<?x2x32xf32>, tensor<32xf32>) -> tensor<?x2x32xf32>
  %q2 = tenon.rope %q3, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k3 = tenon.rms_norm %k1, %hn {eps = 1.0e-6 : f32} : (tensor<?x1x32xf32>, tensor<32xf32>) -> tensor<?x1x32xf32>
  %k2 = tenon.rope %k3, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a : tensor<?x2x32xf32>
}

// CHECK-LABEL: func.func @query_normed_only
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseQkv
// WHY-SAME: query and key are normed differently
func.func @query_normed_only(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>, %hn: tensor<32xf32>) -> tensor<?x2x32xf32> {
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q3 = tenon.rms_norm %q1, %hn {eps = 1.0e-6 : f32} : (tensor<?x2x32xf32>, tensor<32xf32>) -> tensor<?x2x32xf32>
  %q2 = tenon.rope %q3, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k2 = tenon.rope %k1, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a : tensor<?x2x32xf32>
}

// CHECK-LABEL: func.func @different_inputs
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseQkv
// WHY-SAME: query, key and value read different inputs
func.func @different_inputs(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>, %m: tensor<?x64xf32>) -> tensor<?x2x32xf32> {
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %m, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k2 = tenon.rope %k1, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a : tensor<?x2x32xf32>
}

// CHECK-LABEL: func.func @different_tables
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseQkv
// WHY-SAME: query and key are rotated by different tables
func.func @different_tables(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>, %rope2: tensor<?x2x16xf32>) -> tensor<?x2x32xf32> {
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k2 = tenon.rope %k1, %rope2 : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a : tensor<?x2x32xf32>
}

// Somebody else wants the keys: they would have to be computed twice.
// CHECK-LABEL: func.func @key_read_twice
// CHECK-NOT: tenon.fused
// WHY: remark: [Missed] FuseQkv
// WHY-SAME: query, key or value has another reader
func.func @key_read_twice(%n: tensor<?x64xf32>, %kv: !tenon.kv<1, 32>, %rope: tensor<?x2x16xf32>, %wq: tensor<64x64xf32>, %wk: tensor<32x64xf32>, %wv: tensor<32x64xf32>) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>) {
  %q0 = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %k0 = tenon.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %v0 = tenon.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %q1 = tenon.split_heads %q0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %k1 = tenon.split_heads %k0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %v1 = tenon.split_heads %v0 : tensor<?x32xf32> -> tensor<?x1x32xf32>
  %q2 = tenon.rope %q1, %rope : (tensor<?x2x32xf32>, tensor<?x2x16xf32>) -> tensor<?x2x32xf32>
  %k2 = tenon.rope %k1, %rope : (tensor<?x1x32xf32>, tensor<?x2x16xf32>) -> tensor<?x1x32xf32>
  %s = tenon.scale %q2 {factor = 0.125 : f32} : tensor<?x2x32xf32>
  %kv1 = tenon.kv_append %k2, %v1, %kv : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, !tenon.kv<1, 32>) -> !tenon.kv<1, 32>
  %a = tenon.attend %s, %kv1 : (tensor<?x2x32xf32>, !tenon.kv<1, 32>) -> tensor<?x2x32xf32>
  return %a, %k2 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
}
