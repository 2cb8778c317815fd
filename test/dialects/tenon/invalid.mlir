// RUN: tenon-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{unknown weight format 'q3_k'; known are f32, f16, bf16, q8_0}}
tenon.weight @w : tensor<64x64xf32, #tenon.blocks<q3_k>>

// -----

// expected-error @+1 {{q4_k groups 256 columns; 64 columns are no multiple of that}}
tenon.weight @w : tensor<64x64xf32, #tenon.blocks<q4_k>>

// -----

// expected-error @+1 {{#tenon.blocks<q8_0> encodes a static matrix [output channels, columns]}}
tenon.weight @w : tensor<64xf32, #tenon.blocks<q8_0>>

// -----

// expected-error @+1 {{int15 rows have groups of 32 column(s), found 64}}
func.func private @f(tensor<?x64xf32, #tenon.rows<int15, 64>>)

// -----

// expected-error @+1 {{quantised rows have groups of 32 columns; 48 columns are no multiple of that}}
func.func private @f(tensor<?x48xf32, #tenon.rows<int15, 32>>)

// -----

// expected-error @+1 {{KV heads and head size are positive, found 0 and 64}}
func.func private @f(!tenon.kv<0, 64>)

// -----

// expected-error @+1 {{a cache has at least one layer, found 0}}
func.func private @f(!tenon.cache<0, 1, 64>)

// -----

// expected-error @+1 {{attribute 'tenon.max_context' is a positive integer on a module}}
module attributes {tenon.max_context = 0 : i64} {}

// -----

// expected-error @+1 {{attribute 'tenon.config' is a dictionary on a module}}
module attributes {tenon.config = "llama"} {}

// -----

// expected-error @+1 {{a stored tensor has static, positive sizes}}
tenon.weight @w : tensor<?x64xf32>

// -----

// expected-error @+1 {{a stored tensor is a vector or a matrix}}
tenon.weight @w : tensor<2x3x4xf32>

// -----

// expected-error @+1 {{a weight with a value is stored as f32}}
tenon.weight @w : tensor<1x32xf32, #tenon.blocks<q8_0>> = dense<1.0> : tensor<1x32xf32>

// -----

// expected-error @+1 {{value has type 'tensor<3xf32>', wanted 'tensor<2xf32>'}}
tenon.weight @w : tensor<2xf32> = dense<1.0> : tensor<3xf32>

// -----

func.func @f() {
  // expected-error @+1 {{'missing' is no tenon.weight of the module}}
  %0 = tenon.param @missing : tensor<2xf32>
  return
}

// -----

tenon.weight @w : tensor<2xf32>
func.func @f() {
  // expected-error @+1 {{reads 'tensor<3xf32>' and tenon.weight @w declares 'tensor<2xf32>'}}
  %0 = tenon.param @w : tensor<3xf32>
  return
}

// -----

func.func @f(%cache: !tenon.cache<4, 1, 64>) {
  // expected-error @+2 {{layer 4 is not below the 4 layers of the cache}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.kv_layer %cache[4] : !tenon.cache<4, 1, 64> -> !tenon.kv<1, 64>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32>, %rows: tensor<?xi32>) {
  // expected-error @+2 {{only the rows of input may be dynamic}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.select_rows %x, %rows : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<32xf32>) {
  // expected-error @+2 {{weight is a dense vector of 64 elements, one for each of the input's last dimension}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<32xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error @+1 {{eps is not negative}}
  %0 = tenon.rms_norm %x, %w {eps = -1.0 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<16x32xf32>) {
  // expected-error @+2 {{input has 64 columns and the weight has 32}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32, #tenon.rows<int15, 32>>, %w: tensor<16x64xf32, #tenon.blocks<f16>>) {
  // expected-error @+2 {{a float weight reads dense rows}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.linear %x, %w : (tensor<?x64xf32, #tenon.rows<int15, 32>>, tensor<16x64xf32, #tenon.blocks<f16>>) -> tensor<?x16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<16x64xf32>) {
  // expected-error @+2 {{op inferred type(s) 'tensor<?x16xf32>' are incompatible with return type(s) of operation 'tensor<?x8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = "tenon.linear"(%x, %w) : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<16x64xf32>) {
  // expected-error @+1 {{softcap is positive, or 0 for none}}
  %0 = tenon.logits %x, %w {softcap = -30.0 : f32} : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{unknown activation 'relu'; known are silu and gelu_tanh}}
  %0 = tenon.gate relu %x, %x : tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error @+2 {{both operands have one type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = "tenon.add"(%x, %y) : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  return
}

// -----

// expected-error @below {{bf16 rows have groups of 1 column(s), found 32}}
func.func private @f(tensor<?x64xf32, #tenon.rows<bf16, 32>>)

// -----

func.func @f(%x: tensor<?x64xf32, #tenon.rows<bf16, 1>>, %w: tensor<32x64xf32>) {
  // expected-error @+2 {{input is dense or quantised rows, found}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = "tenon.linear"(%x, %w) : (tensor<?x64xf32, #tenon.rows<bf16, 1>>, tensor<32x64xf32>) -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>) {
  // expected-error @+2 {{quantised rows have groups of 32 columns; 48 columns are no multiple of that}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = "tenon.quantize_rows"(%x) : (tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{64 columns are not 3 heads of 16}}
  %0 = tenon.split_heads %x : tensor<?x64xf32> -> tensor<?x3x16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf32>, %t: tensor<?x2x8xf32>) {
  // expected-error @+2 {{table rotates 16 elements and a head has 8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.rope %x, %t : (tensor<?x2x8xf32>, tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf32>, %t: tensor<?x2x4xf32>) {
  // expected-error @+1 {{rotary is 4 and the table rotates 8 elements}}
  %0 = tenon.rope %x, %t {rotary = 4 : i32} : (tensor<?x2x8xf32>, tensor<?x2x4xf32>) -> tensor<?x2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x3x8xf32>, %kv: !tenon.kv<3, 8>) {
  // expected-error @+2 {{4 query heads are no multiple of 3 KV heads}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.attention %q, %k, %k, %kv {scale = 1.0 : f32} : (tensor<?x4x8xf32>, tensor<?x3x8xf32>, tensor<?x3x8xf32>, !tenon.kv<3, 8>) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%k: tensor<?x2x8xf32>, %kv: !tenon.kv<3, 8>) {
  // expected-error @+2 {{key has 2 heads of 8 and the cache is '!tenon.kv<3, 8>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = tenon.kv_append %k, %k, %kv : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, !tenon.kv<3, 8>) -> !tenon.kv<3, 8>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %kv: !tenon.kv<2, 8>) {
  // expected-error @+1 {{attribute 'window' failed to satisfy constraint}}
  %0 = tenon.attend %q, %kv {window = -1 : i32} : (tensor<?x4x8xf32>, !tenon.kv<2, 8>) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{kind is a kernel kind in snake case, found "NormQuant"}}
  %0 = tenon.fused "NormQuant"(%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    tenon.yield %a : tensor<?x64xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  %0 = tenon.fused "quantize"(%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
    // expected-error @+1 {{yields the results of the fused region}}
    tenon.yield %a : tensor<?x64xf32>
  }
  return
}

// -----

func.func private @g()
func.func @f(%x: tensor<?x64xf32>) {
  %0 = tenon.fused "quantize"(%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    // expected-error @+1 {{does not belong in a fused region}}
    func.call @g() : () -> ()
    tenon.yield %a : tensor<?x64xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{'tenon.yield' op expects parent op 'tenon.fused'}}
  tenon.yield %x : tensor<?x64xf32>
}

// -----

func.func @f(%q: tensor<?x5x32xf32>, %kv: !tenon.kv<2, 32>) {
  // expected-error @+2 {{5 query heads are no multiple of 2 KV heads}}
  // expected-error @+1 {{failed to infer returned types}}
  %a = tenon.attend %q, %kv : (tensor<?x5x32xf32>, !tenon.kv<2, 32>) -> tensor<?x5x32xf32>
  return
}

// -----

func.func @f(%q: tensor<?x5x32xf32>, %kv: !tenon.kv<2, 32>) {
  // expected-error @+2 {{5 query heads after 2 in groups of 3 do not read 2 KV heads}}
  // expected-error @+1 {{failed to infer returned types}}
  %a = tenon.attend %q, %kv {group = 3 : i32, skipped_heads = 2 : i32} : (tensor<?x5x32xf32>, !tenon.kv<2, 32>) -> tensor<?x5x32xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x32xf32>, %kv: !tenon.kv<2, 32>) {
  // expected-error @+2 {{skips 3 query heads of a group of 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %a = tenon.attend %q, %kv {group = 3 : i32, skipped_heads = 3 : i32} : (tensor<?x4x32xf32>, !tenon.kv<2, 32>) -> tensor<?x4x32xf32>
  return
}
