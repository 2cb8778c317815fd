//===- Passes.td - The reblock stage --------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_PASSES_REBLOCK_PASSES_TD
#define TENON_PASSES_REBLOCK_PASSES_TD

include "mlir/Pass/PassBase.td"

def ReblockWeightsPass : Pass<"tenon-reblock-weights", "::mlir::ModuleOp"> {
  let summary = "Give matrices another stored format";
  let description = [{
    Changes the encoding of every stored matrix: of the embedding table and the matrix of the logits
    (often one and the same) to `embedding`, of all others to `weights`. An empty name leaves those
    as they are. The packer sees that the plan's format is not the checkpoint's and rounds.

    Before (`weights=q4_rm`):
    ```mlir
    tenon.weight @w : tensor<64x96xf32, #tenon.blocks<q4_1>>
    func.func private @layer_0(%x: tensor<?x96xf32>, %w: tensor<64x96xf32, #tenon.blocks<q4_1>>) -> tensor<?x64xf32>
    %w = tenon.param @w : tensor<64x96xf32, #tenon.blocks<q4_1>>
    ```
    After:
    ```mlir
    tenon.weight @w : tensor<64x96xf32, #tenon.blocks<q4_rm>>
    func.func private @layer_0(%x: tensor<?x96xf32>, %w: tensor<64x96xf32, #tenon.blocks<q4_rm>>) -> tensor<?x64xf32>
    %w = tenon.param @w : tensor<64x96xf32, #tenon.blocks<q4_rm>>
    ```
    With `weights-at-most` (`embedding-at-most`) a format is a width, not an order: a matrix that would not get
    a twentieth smaller stays. Within layers, so does a matrix whose quants have more bits in the checkpoint than those of another: whoever mixed
    them knew which need it.

    Vectors, weights with a value, and matrices whose columns are no multiple of what the format
    groups are left as they are, the last with a remark. Matrices that one launch reads together have
    equal columns, so they never come to mix float and block formats here. Must run before rows are
    quantised (`tenon-quantize-activations`), because the encodings decide about that.
  }];
  let dependentDialects = ["::mlir::tenon::TenonDialect"];
  let options = [
    Option<"weights", "weights", "std::string", "\"\"", "Format of matrices within layers">,
    Option<"embedding", "embedding", "std::string", "\"\"", "Format of the embedding and logits matrices">,
    Option<"weightsAtMost", "weights-at-most", "bool", "false", "Matrices within layers: never more bytes, and follow the checkpoint's mix">,
    Option<"embeddingAtMost", "embedding-at-most", "bool", "false", "Embedding and logits matrices: never more bytes">
  ];
}

#endif // TENON_PASSES_REBLOCK_PASSES_TD
