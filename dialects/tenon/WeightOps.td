//===- WeightOps.td - Weights and the step's inputs -----*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_WEIGHTOPS_TD
#define TENON_DIALECTS_TENON_WEIGHTOPS_TD

include "dialects/tenon/TenonOpBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

def Tenon_WeightOp : Tenon_Op<"weight", [Symbol]> {
  let summary = "Declare a tensor of the checkpoint";
  let description = [{
    A symbol for one stored tensor. The bytes are not in the IR: the packer finds them by the
    symbol's name. A small tensor that no checkpoint holds (a recipe's inverse rotary frequencies)
    carries its `value`.

    ```mlir
    tenon.weight @"blk.0.attn_q.weight" : tensor<576x576xf32, #tenon.blocks<q4_1>>
    tenon.weight @"rope.inv_freq" : tensor<2xf32> = dense<[1.0, 0.01]> : tensor<2xf32>
    ```

    In the program of some chips of a grid (a nested module that the shard stage makes) a weight is
    what one chip holds of the tensor; `cut` says which part.

    ```mlir
    tenon.weight @"blk.0.attn_q.weight" {cut = #tenon.cut<0, [0, 384]>}
      : tensor<384x576xf32, #tenon.blocks<q4_1>>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Tenon_Tensor>:$type,
                       OptionalAttr<StrAttr>:$sym_visibility, OptionalAttr<ElementsAttr>:$value,
                       OptionalAttr<Tenon_CutAttr>:$cut);
  let assemblyFormat = [{
    $sym_name attr-dict `:` $type (`=` $value^)?
  }];
  let builders = [OpBuilder<(ins "StringRef":$name, "RankedTensorType":$type,
                                 CArg<"ElementsAttr", "{}">:$value)>];
  let extraClassDeclaration = [{
    RankedTensorType getTensorType() { return ::llvm::cast<RankedTensorType>(getType()); }
  }];
  let hasVerifier = 1;
}

def Tenon_ParamOp : Tenon_ComputeOp<"param", [Pure, Tenon_OwnCost, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Read a weight as a value";
  let description = [{
    The value of a `tenon.weight`; the types must agree. Stands in the step, from where layers are
    given their weights.

    ```mlir
    %w = tenon.param @"output_norm.weight" : tensor<576xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
  let builders = [OpBuilder<(ins "WeightOp":$weight)>];
}

def Tenon_EmbedOp : Tenon_ValueOp<"embed", [Tenon_OwnCost]> {
  let summary = "Rows of the embedding table, scaled";
  let description = [{
    `result[t, :] = table[ids[t], :] * scale`. Ids lie in `[0, rows of the table)`; the runtime
    checks that before the step.

    With `partial` the table is a chip's part of the vocabulary. Ids are then counted from the part's
    first row (the runtime does that), and one that the part does not have gives a row of zeros: the
    sum over chips is the whole.

    ```mlir
    %x = tenon.embed %ids, %table {scale = 2.4e+01 : f32}
      : (tensor<?xi32>, tensor<262144x640xf32, #tenon.blocks<q6_k>>) -> tensor<?x640xf32>
    ```
  }];
  let arguments = (ins Tenon_Index:$ids, Tenon_Tensor:$table, DefaultValuedAttr<F32Attr, "1.0f">:$scale,
                       UnitAttr:$partial);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
}

def Tenon_SelectRowsOp : Tenon_ValueOp<"select_rows", [Tenon_OwnCost]> {
  let summary = "The rows of a step that need logits, or are kept for the end of the last layer";
  let description = [{
    `result[s, :] = x[rows[s], :]`. Row numbers ascend. The result's rows are logit rows, no longer
    tokens: costs of what follows are counted per logit row.

    With `kept` the rows are those whose last hidden state is needed, for logits or for an embedding;
    selections after it count among them. A step that generates needs no others, so their costs are
    counted per logit row too.

    ```mlir
    %s = tenon.select_rows %x, %rows : (tensor<?x576xf32>, tensor<?xi32>) -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Index:$rows, UnitAttr:$kept);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` functional-type(operands, results)";
}

def Tenon_KvLayerOp : Tenon_ValueOp<"kv_layer", [Tenon_OwnCost]> {
  let summary = "One layer's part of the KV cache";
  let description = [{
    Layer numbers count from 0 and lie below the cache's `layers`.

    ```mlir
    %kv = tenon.kv_layer %cache[3] : !tenon.cache<30, 3, 64> -> !tenon.kv<3, 64>
    ```
  }];
  let arguments = (ins Tenon_CacheType:$cache, ConfinedAttr<I32Attr, [IntNonNegative]>:$layer);
  let results = (outs Tenon_KvType:$result);
  let assemblyFormat = "$cache `[` $layer `]` attr-dict `:` qualified(type($cache)) `->` qualified(type($result))";
}

#endif // TENON_DIALECTS_TENON_WEIGHTOPS_TD
