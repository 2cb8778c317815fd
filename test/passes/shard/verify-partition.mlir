// RUN: tenon-opt %s --split-input-file --tenon-verify-partition --verify-diagnostics
//
// Partitions written by hand that take a chip's terms for their sum.

module {
  shard.grid @chips(shape = 1x2)
  tenon.weight @wo {cut = #tenon.cut<1, [0, 32]>} : tensor<64x32xf32>
  tenon.weight @n : tensor<64xf32>
  func.func @step(%x: tensor<?x32xf32>) -> tensor<?x64xf32> {
    %wo = tenon.param @wo : tensor<64x32xf32>
    %n = tenon.param @n : tensor<64xf32>
    %p = tenon.linear %x, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    // expected-error @below {{uses as operand 0 an unreduced value: each chip has its terms of a sum over dimension 1 of @wo, which chips share; put a tenon.all_reduce between them}}
    %y = tenon.rms_norm %p, %n {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// Through ops that are linear, into a gate.
module {
  shard.grid @chips(shape = 1x2)
  tenon.weight @wo {cut = #tenon.cut<1, [0, 32]>} : tensor<64x32xf32>
  tenon.weight @wg : tensor<96x64xf32>
  func.func @step(%x: tensor<?x32xf32>, %rows: tensor<?xi32>) -> tensor<?x96xf32> {
    %wo = tenon.param @wo : tensor<64x32xf32>
    %wg = tenon.param @wg : tensor<96x64xf32>
    %p = tenon.linear %x, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %q = tenon.add %p, %p : tensor<?x64xf32>
    %s = tenon.select_rows %q, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %g = tenon.linear %s, %wg : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
    // expected-error @below {{uses as operand 0 an unreduced value: each chip has its terms of a sum over dimension 1 of @wo}}
    %h = tenon.gate silu %g, %g : tensor<?x96xf32>
    return %h : tensor<?x96xf32>
  }
}

// -----

// The residual is whole: added before the sum, every chip would add it.
module {
  shard.grid @chips(shape = 1x2)
  tenon.weight @wo {cut = #tenon.cut<1, [0, 32]>} : tensor<64x32xf32>
  func.func @step(%x: tensor<?x32xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
    %wo = tenon.param @wo : tensor<64x32xf32>
    %p = tenon.linear %x, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    // expected-error @below {{adds a value that every chip has whole to an unreduced value: each chip has its terms of a sum over dimension 1 of @wo, which chips share: it would be counted once for each chip; put a tenon.all_reduce before}}
    %y = tenon.add %r, %p : tensor<?x64xf32>
    %z = tenon.all_reduce %y axis 1 : tensor<?x64xf32>
    return %z : tensor<?x64xf32>
  }
}

// -----

module {
  shard.grid @chips(shape = 1x2)
  func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    // expected-error @below {{adds up a value that every chip has whole: the sum would have it once for each chip}}
    %z = tenon.all_reduce %x axis 1 : tensor<?x64xf32>
    return %z : tensor<?x64xf32>
  }
}

// -----

// In a layer, whose arguments are the weights of its calls: it returns terms of the embedding.
module {
  shard.grid @chips(shape = 1x2)
  module @program_0 attributes {tenon.chips = array<i64: 0, 1>} {
    tenon.weight @tok {cut = #tenon.cut<0, [0, 128]>} : tensor<128x64xf32>
    func.func private @layer(%ids: tensor<?xi32>, %w: tensor<128x64xf32>) -> tensor<?x64xf32> {
      %e = tenon.embed %ids, %w {partial} : (tensor<?xi32>, tensor<128x64xf32>) -> tensor<?x64xf32>
      // expected-error @below {{uses as operand 0 an unreduced value: each chip has its terms of a sum over dimension 0 of @tok}}
      return %e : tensor<?x64xf32>
    }
    func.func @step(%ids: tensor<?xi32>) -> tensor<?x64xf32> {
      %w = tenon.param @tok : tensor<128x64xf32>
      %x = call @layer(%ids, %w) : (tensor<?xi32>, tensor<128x64xf32>) -> tensor<?x64xf32>
      return %x : tensor<?x64xf32>
    }
  }
}

// -----

module {
  shard.grid @chips(shape = 1x2)
  tenon.weight @a {cut = #tenon.cut<1, [0, 64]>} : tensor<64x64xf32>
  tenon.weight @b : tensor<64x64xf32>
  func.func private @layer(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
    %p = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %y = tenon.all_reduce %p axis 1 : tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
  func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    %a = tenon.param @a : tensor<64x64xf32>
    %b = tenon.param @b : tensor<64x64xf32>
    %y = call @layer(%x, %a) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    // expected-error @below {{passes argument 1 cut otherwise than another call of @layer does; layers with other cuts are other functions}}
    %z = call @layer(%y, %b) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    return %z : tensor<?x64xf32>
  }
}

// -----

// Must not complain: terms added to terms and scaled before the sum, a weight cut by its rows, an output
// matrix cut by the vocabulary.
module {
  shard.grid @chips(shape = 1x2)
  tenon.weight @wo {cut = #tenon.cut<1, [0, 32]>} : tensor<64x32xf32>
  tenon.weight @wg {cut = #tenon.cut<0, [0, 32]>} : tensor<32x64xf32>
  tenon.weight @out {cut = #tenon.cut<0, [0, 128]>} : tensor<128x64xf32>
  func.func @step(%x: tensor<?x32xf32>, %rows: tensor<?xi32>) -> tensor<?x256xf32> {
    %wo = tenon.param @wo : tensor<64x32xf32>
    %wg = tenon.param @wg : tensor<32x64xf32>
    %out = tenon.param @out : tensor<128x64xf32>
    %p = tenon.linear %x, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %q = tenon.add %p, %p : tensor<?x64xf32>
    %t = tenon.scale %q {factor = 2.0 : f32} : tensor<?x64xf32>
    %y = tenon.all_reduce %t axis 1 : tensor<?x64xf32>
    %g = tenon.linear %y, %wg : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %h = tenon.gate silu %g, %g : tensor<?x32xf32>
    %d = tenon.linear %h, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %z = tenon.all_reduce %d axis 1 : tensor<?x64xf32>
    %s = tenon.select_rows %z, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %l = tenon.logits %s, %out : (tensor<?x64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32>
    %all = tenon.gather_columns %l axis 1 begins [0, 128, 256] : tensor<?x128xf32> -> tensor<?x256xf32>
    return %all : tensor<?x256xf32>
  }
}

// -----

// Must not complain on one chip, where a part is the whole.
module {
  shard.grid @chips(shape = 1x1)
  tenon.weight @wo {cut = #tenon.cut<1, [0]>} : tensor<64x32xf32>
  func.func @step(%x: tensor<?x32xf32>) -> tensor<?x64xf32> {
    %wo = tenon.param @wo : tensor<64x32xf32>
    %p = tenon.linear %x, %wo : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    return %p : tensor<?x64xf32>
  }
}
