// RUN: tenon-opt %s --allow-unregistered-dialect --tenon-verify-fused -split-input-file -verify-diagnostics

// A legal module gets no complaint.
func.func @legal(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  %0 = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>) -> tensor<?x64xf32> {
    %1 = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    tenon.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @left_over(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{tenon.add was not fused, and no kernel computes it alone}}
  %0 = tenon.add %x, %y : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

func.func @unknown_kind(%x: tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
  // expected-error @+1 {{fused region "quantise" is no kind of launch}}
  %0 = tenon.fused "quantise"(%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<int15, 32>> {
    %1 = tenon.quantize_rows %a : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    tenon.yield %1 : tensor<?x64xf32, #tenon.rows<int15, 32>>
  }
  return %0 : tensor<?x64xf32, #tenon.rows<int15, 32>>
}

// -----

func.func @wrong_body(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{fused region "attention" yields no merged heads of tenon.attend}}
  %0 = tenon.fused "attention"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>) -> tensor<?x64xf32> {
    %1 = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    tenon.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @passenger(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{fused region "norm_quant" holds tenon.scale, which has no part in it}}
  %0 = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>) -> tensor<?x64xf32> {
    %1 = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %2 = tenon.scale %a {factor = 2.0 : f32} : tensor<?x64xf32>
    tenon.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @mixed_formats(%x: tensor<?x64xf32>, %wg: tensor<96x64xf32>, %wu: tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32> {
  // expected-error @+1 {{fused region "linear_gate" mixes float and block formats}}
  %0 = tenon.fused "linear_gate"(%a = %x : tensor<?x64xf32>, %b = %wg : tensor<96x64xf32>, %c = %wu : tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32> {
    %1 = tenon.linear %a, %b : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
    %2 = tenon.linear %a, %c : (tensor<?x64xf32>, tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32>
    %3 = tenon.gate silu %1, %2 : tensor<?x96xf32>
    tenon.yield %3 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

func.func @block_weight_reads_dense_rows(%x: tensor<?x64xf32>, %w: tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32> {
  // expected-error @+1 {{fused region "linear" multiplies a block format with dense rows}}
  %0 = tenon.fused "linear"(%a = %x : tensor<?x64xf32>, %c = %w : tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32> {
    %2 = tenon.linear %a, %c : (tensor<?x64xf32>, tensor<96x64xf32, #tenon.blocks<q4_0>>) -> tensor<?x96xf32>
    tenon.yield %2 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

func.func @residual_read_later(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // expected-error @+1 {{fused region "linear": the sum would be written over a value that func.return reads later}}
  %0 = tenon.fused "linear"(%a = %x : tensor<?x64xf32>, %b = %y : tensor<?x96xf32>, %c = %w : tensor<64x96xf32>) -> tensor<?x64xf32> {
    %1 = tenon.linear %b, %c : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
    %2 = tenon.add %a, %1 : tensor<?x64xf32>
    tenon.yield %2 : tensor<?x64xf32>
  }
  return %0, %x : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

func.func private @layer(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %0 = tenon.fused "linear"(%a = %x : tensor<?x64xf32>, %b = %y : tensor<?x96xf32>, %c = %w : tensor<64x96xf32>) -> tensor<?x64xf32> {
    %1 = tenon.linear %b, %c : (tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
    %2 = tenon.add %a, %1 : tensor<?x64xf32>
    tenon.yield %2 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

func.func @argument_read_after_call(%x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %w: tensor<64x96xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // expected-error @+1 {{argument 0 of @layer is updated in place: the sum would be written over a value that func.return reads later}}
  %0 = call @layer(%x, %y, %w) : (tensor<?x64xf32>, tensor<?x96xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
  return %0, %x : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// expected-error @+1 {{a step and its layers are straight lines of launches; found 2 blocks}}
func.func @blocks() {
  "test.branch"()[^next] : () -> ()
^next:
  return
}
