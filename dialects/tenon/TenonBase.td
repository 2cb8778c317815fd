//===- TenonBase.td - The tenon dialect -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONBASE_TD
#define TENON_DIALECTS_TENON_TENONBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/OpBase.td"

def Tenon_Dialect : Dialect {
  let name = "tenon";
  let cppNamespace = "::mlir::tenon";
  let summary = "A transformer on value-semantic tensors, for any device";
  let description = [{
    The model as a transformer engineer would write it down: the ops are the nouns of the
    architecture (`embed`, `rms_norm`, `linear`, `rope`, `attention`, `gate`, `logits`), the values
    are tensors whose dimension 0 is the rows of a step.

    - **Rows.** Dimension 0 of an activation counts the rows of one step: its tokens, or after
      `tenon.select_rows` the rows that need logits. It is dynamic; `tenon.max_context` on the module
      bounds the positions of a sequence. Every other dimension is static.
    - **Weights** are symbols (`tenon.weight`), read as values with `tenon.param`. Their logical
      elements are f32; the encoding says how they are stored: `#tenon.blocks<q4_1>`, or none for
      plain f32.
    - **Quantised rows** are activations with the encoding `#tenon.rows<int15, 32>`, made by
      `tenon.quantize_rows`. Their logical elements are the rounded values.
    - **The KV cache** is a `!tenon.cache` argument of the step; a layer sees its part as a
      `!tenon.kv` handle. Writes give a new handle, so order is visible in the use-def chain.
    - **Layers** are functions. Layers of equal structure call one function with their own weights.
    - **Fused regions.** Each `tenon.fused` is one launch. Its body keeps the ops it was made of, so
      cost, sharding and reference evaluation of a region are those of its body.

    ```mlir
    module @tiny attributes {tenon.max_context = 64 : i64} {
      tenon.weight @w : tensor<64x64xf32, #tenon.blocks<q4_1>>
      func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
        %w = tenon.param @w : tensor<64x64xf32, #tenon.blocks<q4_1>>
        %y = tenon.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```
  }];

  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;

  let extraClassDeclaration = [{
    /// Module attribute: dictionary of the model's hyperparameters, as the importer read them.
    static constexpr ::llvm::StringLiteral kConfigAttrName = "tenon.config";
    /// Module attribute: most positions that a sequence may have.
    static constexpr ::llvm::StringLiteral kMaxContextAttrName = "tenon.max_context";
    /// Attribute of a module that the shard stage has made: type of the whole model's KV cache.
    static constexpr ::llvm::StringLiteral kCacheAttrName = "tenon.cache";
    /// Attribute of a module within a module: the chips of the grid that run it, as an array of
    /// their numbers. Such a module is one program of the shard stage.
    static constexpr ::llvm::StringLiteral kChipsAttrName = "tenon.chips";
    /// Attribute of the module's `shard.grid`: how many such grids work side by side, each on sequences of its
    /// own, as 64-bit integer from 2 to kMostReplicas. Absent: one.
    static constexpr int64_t kMostReplicas = 1024;
    static constexpr ::llvm::StringLiteral kReplicasAttrName = "tenon.replicas";

    void registerAttributes();
    void registerTypes();
    void registerOps();
  }];
}

#endif // TENON_DIALECTS_TENON_TENONBASE_TD
