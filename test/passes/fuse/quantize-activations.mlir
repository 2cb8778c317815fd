// RUN: tenon-opt %s --tenon-quantize-activations | FileCheck %s
// RUN: tenon-opt %s --tenon-quantize-activations=bits=8 | FileCheck %s --check-prefix=EIGHT
// RUN: not tenon-opt %s --tenon-quantize-activations=bits=7 2>&1 | FileCheck %s --check-prefix=SEVEN

// SEVEN: rows are quantised to 15 or 8 bits, not 7

#q4 = #tenon.blocks<q4_0>

// CHECK-LABEL: func.func @shared
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @shared(%x: tensor<?x64xf32>, %a: tensor<32x64xf32, #q4>, %b: tensor<96x64xf32, #tenon.blocks<q8_0>>) -> (tensor<?x32xf32>, tensor<?x96xf32>) {
  // CHECK-NEXT: %[[R:.*]] = tenon.quantize_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
  // CHECK-NEXT: tenon.linear %[[R]]
  // CHECK-NEXT: tenon.logits %[[R]]
  // EIGHT: tenon.quantize_rows %{{.*}} : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int8, 32>>
  // EIGHT-NEXT: tenon.linear {{.*}} : (tensor<?x64xf32, #tenon.rows<int8, 32>>,
  // CHECK-NEXT: return
  %0 = tenon.linear %x, %a : (tensor<?x64xf32>, tensor<32x64xf32, #q4>) -> tensor<?x32xf32>
  %1 = tenon.logits %x, %b : (tensor<?x64xf32>, tensor<96x64xf32, #tenon.blocks<q8_0>>) -> tensor<?x96xf32>
  return %0, %1 : tensor<?x32xf32>, tensor<?x96xf32>
}

// Float weights read dense rows.
// CHECK-LABEL: func.func @float_weights
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @float_weights(%x: tensor<?x64xf32>, %a: tensor<32x64xf32>, %b: tensor<32x64xf32, #tenon.blocks<bf16>>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK-NOT: tenon.quantize_rows
  // CHECK: tenon.linear %[[X]]
  // CHECK: tenon.linear %[[X]]
  %0 = tenon.linear %x, %a : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %1 = tenon.linear %x, %b : (tensor<?x64xf32>, tensor<32x64xf32, #tenon.blocks<bf16>>) -> tensor<?x32xf32>
  return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
}

// One value, both kinds of weight: only the block format's reader changes. The table of an embedding is
// no product.
// CHECK-LABEL: func.func @mixed
func.func @mixed(%ids: tensor<?xi32>, %t: tensor<32x64xf32, #q4>, %b: tensor<32x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK-NEXT: %[[X:.*]] = tenon.embed
  // CHECK-NEXT: %[[R:.*]] = tenon.quantize_rows %[[X]]
  // CHECK-NEXT: tenon.linear %[[R]]
  // CHECK-NEXT: tenon.linear %[[X]]
  %x = tenon.embed %ids, %t : (tensor<?xi32>, tensor<32x64xf32, #q4>) -> tensor<?x64xf32>
  %0 = tenon.linear %x, %t : (tensor<?x64xf32>, tensor<32x64xf32, #q4>) -> tensor<?x32xf32>
  %1 = tenon.linear %x, %b : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
}

// Rows that are quantised already stay as they are.
// CHECK-LABEL: func.func @already
func.func @already(%x: tensor<?x64xf32, #tenon.rows<int15, 32>>, %a: tensor<32x64xf32, #q4>) -> tensor<?x32xf32> {
  // CHECK-NEXT: tenon.linear
  %0 = tenon.linear %x, %a : (tensor<?x64xf32, #tenon.rows<int15, 32>>, tensor<32x64xf32, #q4>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
