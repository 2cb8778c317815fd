//===- Passes.td - The fuse stage -----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_PASSES_FUSE_PASSES_TD
#define TENON_PASSES_FUSE_PASSES_TD

include "mlir/Pass/PassBase.td"

class Tenon_FusePass<string argument> : Pass<argument, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::mlir::tenon::TenonDialect"];
}

def HoistRowSelectionPass : Tenon_FusePass<"tenon-hoist-row-selection"> {
  let summary = "Select logit rows before the final norm instead of after it";
  let description = [{
    Norms, products and scalings work row by row, so choosing the rows that need logits commutes
    with them; chosen first, the rest is not computed. A step over a prompt needs one row of many.

    Before:
    ```mlir
    %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %s = tenon.select_rows %n, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %s = tenon.select_rows %x, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %n = tenon.rms_norm %s, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    ```
    A value that something else reads too is left where it is. Requires nothing.
  }];
}

def KeepRowsPass : Pass<"tenon-keep-rows", "::mlir::ModuleOp"> {
  let summary = "End the last layer with the rows whose result is needed";
  let description = [{
    What the last layer makes of a row after attention, nothing reads but that row's logits, and a step
    over a prompt needs those of one row of many. The last call of a layer gets a function of its own,
    `@layer_last`, with the numbers of the rows to keep as an argument more, which `@step` gets too. There
    the rows are selected before the longest end of the layer that works row by row and hangs on one
    activation. The selection in `@step` stays: it counts among the rows kept, which are those with logits
    unless a client wants the hidden states of others.

    Before:
    ```mlir
    func.func private @layer_0(%x: tensor<?x64xf32>, …) -> tensor<?x64xf32> {
      …
      %a = tenon.add %x, %o : tensor<?x64xf32>
      %n = tenon.rms_norm %a, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      …
      %r = tenon.add %a, %d : tensor<?x64xf32>
      return %r : tensor<?x64xf32>
    }
    ```
    After, beside it:
    ```mlir
    func.func private @layer_last(%x: tensor<?x64xf32>, …, %kept: tensor<?xi32>) -> tensor<?x64xf32> {
      …
      %a = tenon.add %x, %o : tensor<?x64xf32>
      %s = tenon.select_rows %a, %kept {kept} : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
      %n = tenon.rms_norm %s, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      …
      %r = tenon.add %s, %d : tensor<?x64xf32>
      return %r : tensor<?x64xf32>
    }
    ```
    Does nothing, and says why, if something else reads the layer's rows, or if no product would be
    saved. Wants `HoistRowSelection` before it.
  }];
  let dependentDialects = ["::mlir::tenon::TenonDialect"];
}

def SplitAttentionPass : Tenon_FusePass<"tenon-split-attention"> {
  let summary = "Take attention apart into scaled query, KV write and KV read";
  let description = [{
    The write of keys and values belongs to the launch that computes them, the read to the next one.
    The attention scale moves to the query.

    Before:
    ```mlir
    %a = tenon.attention %q, %k, %v, %kv {scale = 1.25e-01 : f32} : (…) -> tensor<?x9x64xf32>
    ```
    After:
    ```mlir
    %qs = tenon.scale %q {factor = 1.25e-01 : f32} : tensor<?x9x64xf32>
    %kv1 = tenon.kv_append %k, %v, %kv : (…) -> !tenon.kv<3, 64>
    %a = tenon.attend %qs, %kv1 : (…) -> tensor<?x9x64xf32>
    ```
    Ensures that no `tenon.attention` is left.
  }];
}

def QuantizeActivationsPass : Tenon_FusePass<"tenon-quantize-activations"> {
  let summary = "Quantise the rows that weights with a block format read";
  let description = [{
    Integer weights are multiplied with integer rows. Each dense value that a `tenon.linear` or
    `tenon.logits` with a block-format weight reads is quantised once, beside its definition, and
    all those readers share it. Float weights keep reading the dense value.

    Before:
    ```mlir
    %q = tenon.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %r = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    %q = tenon.linear %r, %wq
      : (tensor<?x64xf32, #tenon.rows<int15, 32>>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
    ```
    Ensures that every block-format product reads quantised rows. `bits=8` rounds to `int8` instead:
    half the multiplications, and less exact.
  }];
  let options = [
    Option<"bits", "bits", "unsigned", "15", "Bits of the rows' integers: 15 or 8">
  ];
}

def FuseQkvPass : Tenon_FusePass<"tenon-fuse-qkv"> {
  let summary = "Fuse query, key and value up to rotary positions and the KV write";
  let description = [{
    Around a `tenon.kv_append`: three linears of one input, the split into heads, per-head norms of
    query and key (both or neither), rotation of query and key by one table, the query's scale, and
    the write. The region yields the query heads and the KV handle; keys and values exist only in
    the cache.

    Does not fire, and says why, if the three read different inputs, if anything else reads a value
    between, or if query and key differ in norm or table. Requires `SplitAttention`.
  }];
}

def FuseGatePass : Tenon_FusePass<"tenon-fuse-gate"> {
  let summary = "Fuse gate and up products, their activation and its quantisation";
  let description = [{
    `tenon.gate` of two linears of one input becomes a `linear_gate` region; if all that reads the
    result is one `tenon.quantize_rows`, that too. Gate and up never reach memory.
  }];
}

def FusePostNormPass : Tenon_FusePass<"tenon-fuse-post-norm"> {
  let summary = "Fuse a post norm with its residual sum and the next norm";
  let description = [{
    `x + rms_norm(y)` becomes a `norm_add` region; with a following norm of the sum (and the
    quantisation of that) a `norm_add_norm_quant` region that yields both the sum and the normed
    rows. The sum is written over `x`, so it does not fire where `x` is read later.
  }];
}

def FuseResidualPass : Tenon_FusePass<"tenon-fuse-residual"> {
  let summary = "Add the residual in the product that precedes it";
  let description = [{
    `x + linear(y)` becomes a `linear` region that adds into `x`. Does not fire where `x` is read
    later or something else reads the product.
  }];
}

def FuseRoundPass : Tenon_FusePass<"tenon-fuse-round"> {
  let summary = "Round the rows of a product where they are made";
  let description = [{
    A `tenon.linear` becomes a `linear` region together with the `tenon.round_rows` that reads it. It is
    an error if something else reads the product too: no kernel rounds rows by themselves.

    Before:
    ```mlir
    %p = tenon.linear %h, %w : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %r = tenon.round_rows %p : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<bf16, 1>>
    ```
    After:
    ```mlir
    %r = tenon.fused "linear"(%a = %h : tensor<?x32xf32>, %b = %w : tensor<64x32xf32>)
        -> tensor<?x64xf32, #tenon.rows<bf16, 1>> { … }
    ```
  }];
}

def FuseNormQuantizePass : Tenon_FusePass<"tenon-fuse-norm-quantize"> {
  let summary = "Fuse a norm with the quantisation of its result and the selection of its rows";
  let description = [{
    A `tenon.rms_norm` over rows becomes a `norm_quant` region, together with the
    `tenon.quantize_rows` that reads it if that is its only reader, and with the
    `tenon.select_rows` that feeds it if the norm is the only reader of that, or if the rows are `kept`:
    then the region yields them too, as the residual of what follows.

    Before:
    ```mlir
    %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %r = tenon.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<int15, 32>>
    ```
    After:
    ```mlir
    %r = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>)
        -> tensor<?x64xf32, #tenon.rows<int15, 32>> { … }
    ```
  }];
}

def FuseAttentionPass : Tenon_FusePass<"tenon-fuse-attention"> {
  let summary = "Fuse attention with the merge of its heads and its quantisation";
  let description = [{
    `tenon.attend` and the `tenon.merge_heads` that reads it become an `attention` region; if all
    that reads the merged heads is one `tenon.quantize_rows`, that too, unless its groups would
    span two heads. Requires `SplitAttention`.
  }];
}

def OutlineLaunchesPass : Tenon_FusePass<"tenon-outline-launches"> {
  let summary = "Give every op that was not fused a region of its own";
  let description = [{
    Wraps `tenon.embed`, `tenon.rope_table`, `tenon.quantize_rows`, `tenon.linear` and
    `tenon.logits` that are still outside a region. Ops that no kernel computes alone are left for
    `VerifyFused` to name.
  }];
}

def VerifyFusedPass : Pass<"tenon-verify-fused", "::mlir::ModuleOp"> {
  let summary = "Check that the fuse stage left only launches";
  let description = [{
    Legality check at the end of the stage; changes nothing. Function bodies consist of
    `tenon.fused`, `tenon.param`, `tenon.kv_layer`, calls and returns; the body of each region is
    one that its kind computes (`passes/fuse/LaunchForm.h`); and a residual that a region updates in
    place is not read later, in its function or after the call that passed it.
  }];
}

#endif // TENON_PASSES_FUSE_PASSES_TD
