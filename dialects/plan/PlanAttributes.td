//===- PlanAttributes.td - Extents, costs, launch arguments -*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_PLAN_PLANATTRIBUTES
#define TENON_DIALECTS_PLAN_PLANATTRIBUTES

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "dialects/plan/PlanDialect.td"

class Plan_Attr<string name, string attrMnemonic> : AttrDef<Plan_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Plan_ExtentAttr : Plan_Attr<"Extent", "extent"> {
  let summary = "Bytes as a linear form of step tokens, logit rows and workers";
  let description = [{
    `fixed + perToken * T + perLogitRow * S + perWorker * W`. Terms that are zero are not written.

    ```mlir
    #plan.extent<4096 + 2304 T + 196608 S + 64 W>
    #plan.extent<0>
    ```
  }];
  let parameters = (ins "uint64_t":$fixed, DefaultValuedParameter<"uint64_t", "0">:$perToken,
                        DefaultValuedParameter<"uint64_t", "0">:$perLogitRow,
                        DefaultValuedParameter<"uint64_t", "0">:$perWorker);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Value for a step of at most `tokens` tokens and `rows` logit rows with `workers` workers.
    uint64_t at(uint64_t tokens, uint64_t rows, uint64_t workers) const;
    /// No coefficient is larger than the other's, so this is the smaller one for every T, S and W.
    bool fitsIn(ExtentAttr other) const;
    /// Coefficient by coefficient.
    ExtentAttr plus(ExtentAttr other) const;
    /// The smallest extent that both fit in.
    ExtentAttr max(ExtentAttr other) const;
    /// Every coefficient is a multiple of `alignment`, so the value always is.
    bool isAligned(uint64_t alignment) const;
  }];
}

def Plan_CostAttr : Plan_Attr<"Cost", "cost"> {
  let summary = "What a launch moves and computes, in closed form";
  let description = [{
    Bytes read and written and multiply-accumulates of a step of `T` tokens, `S` logit rows and `C`, the
    sum over rows of the context that the row attends to. The constant of `bytes` is the weights.

    ```mlir
    #plan.cost<bytes = 186624 + 3204 T, macs = 331776 T>
    #plan.cost<bytes = 4608 T + 768 C, macs = 1152 C>
    ```
  }];
  let parameters = (ins "uint64_t":$weightBytes, "uint64_t":$bytesPerToken,
                        "uint64_t":$bytesPerLogitRow, "uint64_t":$bytesPerContext,
                        "uint64_t":$macsPerToken, "uint64_t":$macsPerLogitRow,
                        "uint64_t":$macsPerContext);
  let hasCustomAssemblyFormat = 1;
}

def Plan_ArgKind : I32EnumAttr<"ArgKind", "Where a launch finds one of its pointers", [
    I32EnumAttrCase<"Buffer", 0, "buffer">,
    I32EnumAttrCase<"Weight", 1, "weight">,
    I32EnumAttrCase<"LayerWeight", 2, "layer_weight">,
    I32EnumAttrCase<"KPool", 3, "k_pool">,
    I32EnumAttrCase<"VPool", 4, "v_pool">]> {
  let cppNamespace = "::mlir::plan";
  let genSpecializedAttr = 0;
}

def Plan_ArgAttr : Plan_Attr<"Arg", "arg"> {
  let summary = "One pointer of a launch";
  let description = [{
    `buffer @name` is a buffer of the chip that runs the launch, `weight @name` a weight of the engine,
    `layer_weight i` the i-th weight of the call, `k_pool` and `v_pool` the KV pool of the call's layer.

    ```mlir
    #plan.arg<buffer @x>
    #plan.arg<layer_weight 3>
    ```
  }];
  let parameters = (ins "ArgKind":$kind, OptionalParameter<"FlatSymbolRefAttr">:$symbol,
                        DefaultValuedParameter<"uint32_t", "0">:$index);
  let hasCustomAssemblyFormat = 1;
}

def Plan_ArgArrayAttr : TypedArrayAttrBase<Plan_ArgAttr, "pointers of a launch">;

def Plan_PartAttr : Plan_Attr<"Part", "part"> {
  let summary = "Which part of a tensor each chip along the tensor axis holds";
  let description = [{
    Dimension (0: rows, 1: columns) and where each chip's part begins; its size is that of the weight.
    The runtime does not need it: it finds each chip's bytes in the chip's own section.

    ```mlir
    #plan.part<0, [0, 384]>
    ```
  }];
  let parameters = (ins "int64_t":$dim, ArrayRefParameter<"int64_t">:$begins);
  let assemblyFormat = "`<` $dim `,` `[` $begins `]` `>`";
}

def Plan_CollectiveKind : I32EnumAttr<"CollectiveKind", "What chips do together", [
    I32EnumAttrCase<"AllReduce", 0, "all_reduce">,
    I32EnumAttrCase<"GatherColumns", 1, "gather_columns">,
    I32EnumAttrCase<"Send", 2, "send">,
    I32EnumAttrCase<"Receive", 3, "receive">,
    I32EnumAttrCase<"GatherRows", 4, "gather_rows">]> {
  let cppNamespace = "::mlir::plan";
}

def Plan_WeightFormat : I32EnumAttr<"WeightFormat", "Encoding of a weight (runtime/engine/WeightFormat.h)", [
    I32EnumAttrCase<"F32", 0, "f32">, I32EnumAttrCase<"F16", 1, "f16">,
    I32EnumAttrCase<"BF16", 2, "bf16">, I32EnumAttrCase<"Q8_0", 3, "q8_0">,
    I32EnumAttrCase<"Q4_0", 4, "q4_0">, I32EnumAttrCase<"Q4_1", 5, "q4_1">,
    I32EnumAttrCase<"Q5_0", 6, "q5_0">, I32EnumAttrCase<"Q5_1", 7, "q5_1">,
    I32EnumAttrCase<"Q4_K", 8, "q4_k">, I32EnumAttrCase<"Q5_K", 9, "q5_k">,
    I32EnumAttrCase<"Q6_K", 10, "q6_k">, I32EnumAttrCase<"Q4_R", 11, "q4_r">,
    I32EnumAttrCase<"Q4_RM", 12, "q4_rm">, I32EnumAttrCase<"Q5_R", 13, "q5_r">,
    I32EnumAttrCase<"Q5_RM", 14, "q5_rm">, I32EnumAttrCase<"Q6_R", 15, "q6_r">,
    I32EnumAttrCase<"Q8_R", 16, "q8_r">,
    I32EnumAttrCase<"Q4_R64", 17, "q4_r64">, I32EnumAttrCase<"Q4_RM64", 18, "q4_rm64">,
    I32EnumAttrCase<"Q5_R64", 19, "q5_r64">, I32EnumAttrCase<"Q5_RM64", 20, "q5_rm64">,
    I32EnumAttrCase<"Q6_R64", 21, "q6_r64">, I32EnumAttrCase<"Q8_R64", 22, "q8_r64">,
    I32EnumAttrCase<"Q4_R128", 23, "q4_r128">, I32EnumAttrCase<"Q4_RM128", 24, "q4_rm128">,
    I32EnumAttrCase<"Q5_R128", 25, "q5_r128">, I32EnumAttrCase<"Q5_RM128", 26, "q5_rm128">,
    I32EnumAttrCase<"Q6_R128", 27, "q6_r128">, I32EnumAttrCase<"Q8_R128", 28, "q8_r128">]> {
  let cppNamespace = "::mlir::plan";
}

#endif // TENON_DIALECTS_PLAN_PLANATTRIBUTES
