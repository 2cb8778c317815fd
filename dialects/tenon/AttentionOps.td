//===- AttentionOps.td - Heads, rotary positions, attention --*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_ATTENTIONOPS_TD
#define TENON_DIALECTS_TENON_ATTENTIONOPS_TD

include "dialects/tenon/TenonOpBase.td"

def Tenon_SplitHeadsOp : Tenon_ComputeOp<"split_heads", [Pure, Tenon_OwnCost]> {
  let summary = "View columns as heads";
  let description = [{
    `[rows, heads * headDim]` to `[rows, heads, headDim]`, in order. Moves no data.

    ```mlir
    %q1 = tenon.split_heads %q0 : tensor<?x576xf32> -> tensor<?x9x64xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let builders = [OpBuilder<(ins "Value":$input, "int64_t":$heads)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tenon_MergeHeadsOp : Tenon_ValueOp<"merge_heads", [Tenon_OwnCost]> {
  let summary = "View heads as columns";
  let description = [{
    `[rows, heads, headDim]` to `[rows, heads * headDim]`, in order. Moves no data.

    ```mlir
    %a1 = tenon.merge_heads %a : tensor<?x9x64xf32> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}

def Tenon_RopeTableOp : Tenon_ValueOp<"rope_table", [Tenon_CostOpInterface]> {
  let summary = "Cosines and sines of a step's positions";
  let description = [{
    `result[t, 0, i] = cos(position[t] * frequencies[i]) * scale`, `result[t, 1, i]` the sine
    likewise. Frequencies already contain whatever the checkpoint's rope scaling asks for; `scale`
    is YaRN's magnitude.

    ```mlir
    %rope = tenon.rope_table %positions, %f {scale = 1.0 : f32}
      : (tensor<?xi32>, tensor<32xf32>) -> tensor<?x2x32xf32>
    ```
  }];
  let arguments = (ins Tenon_Index:$positions, Tenon_Vector:$frequencies,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$positions `,` $frequencies attr-dict `:` functional-type(operands, results)";
}

def Tenon_RopeOp : Tenon_ValueOp<"rope", [Tenon_CostOpInterface]> {
  let summary = "Rotate the head elements by the token's position";
  let description = [{
    With `half` of the table `[rows, 2, half]`, element `i < half` of every head is rotated with
    element `i + half`: `a' = a*cos - b*sin`, `b' = b*cos + a*sin`; elements from `2 * half` on pass
    through (Su et al., "RoFormer", section 3.4, in the order of halves). A checkpoint with
    interleaved pairs has the rows of its query and key weights permuted when they are packed.
    `rotary`, if given, must be `2 * half`.

    ```mlir
    %q2 = tenon.rope %q1, %rope : (tensor<?x9x64xf32>, tensor<?x2x32xf32>) -> tensor<?x9x64xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_Tensor:$table, OptionalAttr<I32Attr>:$rotary);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `,` $table attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = [{
    /// Elements of a head that are rotated.
    int64_t getRotaryElements() { return 2 * getTable().getType().getDimSize(2); }
  }];
  let hasVerifier = 1;
}

class Tenon_AttentionLike<string mnemonic, list<Trait> traits = []>
    : Tenon_ComputeOp<mnemonic, !listconcat(traits, [InferTypeOpAdaptor, Tenon_OwnCost])>;

def Tenon_AttentionOp : Tenon_AttentionLike<"attention", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Write keys and values to the cache, then attend causally";
  let description = [{
    Writes `key` and `value` of every row at the row's sequence and position, then for row `t` at
    position `p` and query head `h`, over positions `j <= p` of the row's sequence, and with
    `window > 0` only `p - j < window`:

    `result[t, h, :] = sum over j of softmax(cap(scale * query . k[j])) * v[j]`, where `cap(s)` is
    `softcap * tanh(s / softcap)`, or `s` if `softcap` is 0. Query head `h` reads KV head
    `h * kvHeads / heads` (grouped-query attention, Ainslie et al., section 2). Where chips share the
    query heads of one KV head, `group` is how many a whole KV head has, `skipped_heads` how many of
    the first one's are on chips before, and head `h` reads KV head `(h + skipped_heads) / group`.

    Attention sinks and non-causal attention are not here yet; they are attributes of this op.

    ```mlir
    %a = tenon.attention %q, %k, %v, %kv {scale = 1.25e-01 : f32, window = 512 : i32}
      : (tensor<?x9x64xf32>, tensor<?x3x64xf32>, tensor<?x3x64xf32>, !tenon.kv<3, 64>) -> tensor<?x9x64xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$query, Tenon_Tensor:$key, Tenon_Tensor:$value, Tenon_KvType:$kv,
                       F32Attr:$scale,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$window,
                       DefaultValuedAttr<F32Attr, "0.0f">:$softcap,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$group,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$skipped_heads);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $kv attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Tenon_KvAppendOp : Tenon_AttentionLike<"kv_append", [MemoryEffects<[MemWrite]>]> {
  let summary = "Write keys and values of a step's rows to the cache";
  let description = [{
    The write half of `tenon.attention`; made by `SplitAttention`. The result is the handle through
    which the written rows are visible, so whoever reads them names the write.

    ```mlir
    %kv1 = tenon.kv_append %k, %v, %kv
      : (tensor<?x3x64xf32>, tensor<?x3x64xf32>, !tenon.kv<3, 64>) -> !tenon.kv<3, 64>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$key, Tenon_Tensor:$value, Tenon_KvType:$kv);
  let results = (outs Tenon_KvType:$result);
  let assemblyFormat = "$key `,` $value `,` $kv attr-dict `:` functional-type(operands, results)";
}

def Tenon_AttendOp : Tenon_AttentionLike<"attend", [MemoryEffects<[MemRead]>]> {
  let summary = "Attend causally to what the cache holds";
  let description = [{
    The read half of `tenon.attention`; made by `SplitAttention`. The query is already multiplied by
    the attention scale. `group` and `skipped_heads` are those of `tenon.attention`.

    ```mlir
    %a = tenon.attend %q, %kv1 {window = 512 : i32}
      : (tensor<?x9x64xf32>, !tenon.kv<3, 64>) -> tensor<?x9x64xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$query, Tenon_KvType:$kv,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$window,
                       DefaultValuedAttr<F32Attr, "0.0f">:$softcap,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$group,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$skipped_heads);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$query `,` $kv attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // TENON_DIALECTS_TENON_ATTENTIONOPS_TD
