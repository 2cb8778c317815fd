//===- DenseOps.td - Norms, linears and what joins them -----*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_DENSEOPS_TD
#define TENON_DIALECTS_TENON_DENSEOPS_TD

include "dialects/tenon/TenonOpBase.td"

def Tenon_RmsNormOp : Tenon_ValueOp<"rms_norm", [Tenon_CostOpInterface]> {
  let summary = "Root-mean-square norm over the last dimension";
  let description = [{
    `result = x * rsqrt(mean(x^2) + eps) * weight` over the last dimension of a `[rows, columns]` or
    `[rows, heads, headDim]` tensor (Zhang and Sennrich, "Root Mean Square Layer Normalization",
    section 3). Models that multiply by `1 + weight` have the one added when they are imported.

    ```mlir
    %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x576xf32>, tensor<576xf32>) -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Vector:$weight, F32Attr:$eps);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tenon_LinearOp : Tenon_ValueOp<"linear", [Tenon_OwnCost]> {
  let summary = "Matrix product with a weight of output channels by columns";
  let description = [{
    `result[t, n] = sum over k of input[t, k] * weight[n, k]`. The input is dense f32, or quantised
    rows if the weight has a block format. There is no bias: no supported family has one; it would
    be an optional third operand.

    ```mlir
    %q = tenon.linear %n, %wq
      : (tensor<?x576xf32>, tensor<576x576xf32, #tenon.blocks<q4_1>>) -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Tensor:$weight);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
}

def Tenon_LogitsOp : Tenon_ValueOp<"logits", [Tenon_OwnCost]> {
  let summary = "Scores of the vocabulary";
  let description = [{
    `tenon.linear` with the output matrix, then, if `softcap` is not 0,
    `softcap * tanh(x / softcap)`.

    ```mlir
    %l = tenon.logits %n, %head {softcap = 3.0e+01 : f32}
      : (tensor<?x576xf32>, tensor<49152x576xf32, #tenon.blocks<q6_k>>) -> tensor<?x49152xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Tensor:$weight,
                       DefaultValuedAttr<F32Attr, "0.0f">:$softcap);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tenon_GateOp : Tenon_ValueOp<"gate", [Tenon_CostOpInterface]> {
  let summary = "Gated activation of a feed-forward layer";
  let description = [{
    `result = activation(gate) * up`: SwiGLU with `silu`, GeGLU with `gelu_tanh` (Shazeer, "GLU
    Variants Improve Transformer", section 2).

    ```mlir
    %h = tenon.gate silu %g, %u : tensor<?x1536xf32>
    ```
  }];
  let arguments = (ins Tenon_ActivationAttr:$activation, Tenon_Tensor:$gate, Tenon_Tensor:$up);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "custom<Activation>($activation) $gate `,` $up attr-dict `:` custom<SameTypes>(type($gate), type($up), type($result))";
}

def Tenon_AddOp : Tenon_ValueOp<"add", [Commutative, Tenon_CostOpInterface]> {
  let summary = "Sum of two activations, mostly the residual";
  let description = [{
    ```mlir
    %y = tenon.add %x, %o : tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$lhs, Tenon_Tensor:$rhs);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` custom<SameTypes>(type($lhs), type($rhs), type($result))";
}

def Tenon_ScaleOp : Tenon_ValueOp<"scale", [Tenon_CostOpInterface]> {
  let summary = "Product with a constant";
  let description = [{
    Importers need it rarely; `SplitAttention` uses it to take the attention scale out of the
    scores and into the query, where it costs one product per element.

    ```mlir
    %q2 = tenon.scale %q {factor = 1.25e-01 : f32} : tensor<?x9x64xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, F32Attr:$factor);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<SameTypes>(type($input), type($result))";
  let hasFolder = 1;
}

def Tenon_QuantizeRowsOp : Tenon_ValueOp<"quantize_rows", [Tenon_CostOpInterface]> {
  let summary = "Round activation rows to 15-bit or 8-bit integers per group of 32 columns";
  let description = [{
    Per row and group of 32: `amax = max|x|`, `scale = amax * (1/steps)`,
    `q = round to nearest even (x * (steps/amax))`, 0 where `amax` is 0, each step rounded to f32 as
    `runtime/device/cpu/KernelAbi.h` states. `steps` is 16256 for `int15` and 127 for `int8`; the result's
    encoding says which. The result's logical elements are `scale * q`. Columns
    are a multiple of 32. Inserted by `QuantizeActivations` in front of
    weights with a block format; a checkpoint does not have it.

    ```mlir
    %xq = tenon.quantize_rows %x : tensor<?x576xf32> -> tensor<?x576xf32, #tenon.rows<int15, 32>>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let extraClassDeclaration = [{
    /// The inferred type is that of 15 bits; 8 are as good.
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange given);
  }];
}

def Tenon_RoundRowsOp : Tenon_ValueOp<"round_rows", [Tenon_CostOpInterface]> {
  let summary = "Round activation rows to bf16";
  let description = [{
    Every element to the nearest bf16, ties to even. Put by `tenon-narrow-collectives` on what chips add
    up, so that half the bytes travel; only `tenon.all_reduce` reads such rows.

    ```mlir
    %r = tenon.round_rows %p : tensor<?x576xf32> -> tensor<?x576xf32, #tenon.rows<bf16, 1>>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

#endif // TENON_DIALECTS_TENON_DENSEOPS_TD
