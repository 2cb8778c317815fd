//===- Passes.td - The lower stage ----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_PASSES_LOWER_PASSES_TD
#define TENON_PASSES_LOWER_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToPlanPass : Pass<"tenon-lower-to-plan", "::mlir::ModuleOp"> {
  let summary = "Turn fused regions into launches of a plan";
  let description = [{
    Each `tenon.fused` becomes a launch with a kernel of its own (`tenon-dedup-kernels` merges them);
    each layer function becomes a function of the plan, each call a call with the weights of its layer.
    Launches of the step itself are gathered into functions between the calls. Values become buffers:
    an activation that is updated in place stays in one buffer through all layers. Places in memory,
    limits and KV geometry are left open for the memory stage.

    Before:
    ```mlir
    func.func private @layer_0(%x: tensor<?x64xf32>, …, %w: tensor<64xf32>) -> tensor<?x64xf32> {
      %n = tenon.fused "norm_quant"(%a = %x : …, %b = %w : …) -> tensor<?x64xf32, #tenon.rows<int15, 32>> { … }
      …
    }
    ```
    After:
    ```mlir
    plan.kernel @region2_norm_quant "norm_quant" {eps = 9.99999974E-6 : f32, k = 64 : i64, quant_out} scratch 0
    plan.function @layer_0 {
      plan.launch @region2_norm_quant "attn_norm" (buffer @embed, layer_weight 0, buffer @attn_norm) cost <…>
      …
    }
    ```
    A module that the shard stage has made holds one module for each program: every chip gets the
    buffers, weights and calls of the program that it runs, and collectives become
    `plan.collective`.

    Requires the fuse stage (`--tenon-verify-fused`), and the shard stage where the grid has more than
    one chip. Ensures a plan whose launches agree with their kernels.
  }];
  let dependentDialects = ["::mlir::plan::PlanDialect"];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "What the plan states as its target">,
    Option<"randomSeed", "random-seed", "uint64_t", "0",
           "Not 0: the checkpoint's weights are made at load from this seed">
  ];
}

class Tenon_LowerPass<string argument> : Pass<argument, "::mlir::plan::EngineOp">;

def OwnRowsPass : Tenon_LowerPass<"tenon-own-rows"> {
  let summary = "Let chips that share layers work on rows of their own between a sum and the next product";
  let description = [{
    Sequence parallelism (Korthikanti et al., "Reducing Activation Recomputation in Large Transformer
    Models", section 4.2.2). An `all_reduce` is a reduce-scatter and an all-gather. What follows it up to the next
    product works row by row: the residual, norms, quantisation. So the sum and these get `own_rows`, each
    chip's rows are its own, and a `gather_rows` stands before what needs all of them: a product, an
    attention, a choice of rows, a send. What travels is then the quantised row, less than the sum. The
    residual stays in parts from layer to layer.

    Rows are shared out in steps of `from` rows and more; of smaller ones every chip does all as before, and
    no `gather_rows` happens. Every sum keeps its order: results are the same bits.

    Requires places in memory to be open yet. Does nothing on a grid of one chip in a stage. Rows with logits
    stay everyone's.

    Before:
    ```mlir
    plan.collective all_reduce "attn_output" from @o to @x axis 1 columns [0, 64] add …
    plan.launch @norm "ffn_norm" (buffer @x, layer_weight 5, buffer @n) …
    plan.launch @gate "ffn_gate" (buffer @n, …
    ```
    After:
    ```mlir
    plan.collective all_reduce "attn_output" from @o to @x axis 1 columns [0, 64] add own_rows 96 …
    plan.launch @norm "ffn_norm" (buffer @x, layer_weight 5, buffer @n) own_rows 96 …
    plan.collective gather_rows "ffn_norm" to @n axis 1 columns [0, 48] own_rows 96 …
    plan.launch @gate "ffn_gate" (buffer @n, …
    ```
  }];
  let options = [
    Option<"from", "from", "uint32_t", "1", "Rows of a step from which on chips have rows of their own">
  ];
}

def OverlapCollectivesPass : Tenon_LowerPass<"tenon-overlap-collectives"> {
  let summary = "Let rows travel between chips while these compute the product beside a sum or a gather";
  let description = [{
    Decomposition of a product beside a collective (Wang et al., "Overlap Communication with Dependent
    Computation via Decomposition in Large Deep Learning Models", ASPLOS 2023). Where chips have rows of
    their own, the product before a sum makes rows that other chips add up and rows that the chip adds up
    itself; done in blocks, those of the others leave while the chip's own are computed. Behind a gather, a chip's own
    rows are computed while the others' arrive. Each row is computed as before, and every sum keeps its
    order: results are the same bits.

    Marks with `overlap` and `blocks` every `all_reduce` of own rows that stands behind a product which writes what it gives,
    and every `gather_rows` before a product that reads what it gets. A product between two of them
    overlaps with the first. Without own rows nothing is marked, nor what is next to another kind of launch.

    Before:
    ```mlir
    plan.launch @linear "ffn_down" (buffer @n, layer_weight 8, buffer @o) …
    plan.collective all_reduce "ffn_down" from @o to @x axis 1 columns [0, 64] add own_rows 96 …
    ```
    After:
    ```mlir
    plan.launch @linear "ffn_down" (buffer @n, layer_weight 8, buffer @o) …
    plan.collective all_reduce "ffn_down" from @o to @x axis 1 columns [0, 64] add own_rows 96 overlap 128 blocks 32 …
    ```
  }];
  let options = [
    Option<"from", "from", "uint32_t", "1", "Rows of a step from which on they do, where chips have own rows by then">,
    Option<"block", "block", "uint32_t", "32", "Rows of a block">
  ];
}

def DedupKernelsPass : Tenon_LowerPass<"tenon-dedup-kernels"> {
  let summary = "Keep one kernel of each spec and name it by number and kind";
  let description = [{
    Kernels are compiled once however many launches use them, so compile time does not grow with
    layers. Kernels that no launch uses are dropped; the rest are named `k<number>_<kind>` in order.

    Before:
    ```mlir
    plan.kernel @a "quantize" {k = 64 : i64} scratch 0
    plan.kernel @b "quantize" {k = 64 : i64} scratch 0
    plan.function @f {
      plan.launch @a "x" (buffer @x, buffer @q) cost <bytes = 0>
      plan.launch @b "y" (buffer @y, buffer @q) cost <bytes = 0>
    }
    ```
    After:
    ```mlir
    plan.kernel @k0_quantize "quantize" {k = 64 : i64} scratch 0
    plan.function @f {
      plan.launch @k0_quantize "x" (buffer @x, buffer @q) cost <bytes = 0>
      plan.launch @k0_quantize "y" (buffer @y, buffer @q) cost <bytes = 0>
    }
    ```
  }];
}

def PlaceBarriersPass : Tenon_LowerPass<"tenon-place-barriers"> {
  let summary = "Put a barrier where data crosses workers, and nowhere else";
  let description = [{
    A launch needs one if it reads what another worker may just have written, or overwrites what
    another worker may still read or write, since the last barrier. Kernels that go row by row share
    the rows out by one formula (KernelAbi.h), so a chain of them over the same rows needs none. Bytes
    that two buffers share count too, so the arena must be planned. A function that is called from
    several places gets the barriers that any of the places needs. Barriers that are there are
    dropped first. A collective is a barrier; it gets a fence where the chip would write what other
    chips may still read from it.

    Before:
    ```mlir
    plan.launch @k0_embed "embed" (buffer @x, weight @e) cost <…>
    plan.launch @k1_norm_quant "norm" (buffer @x, layer_weight 0, buffer @n) cost <…>     // same rows
    plan.launch @k2_linear "q" (buffer @n, layer_weight 1, buffer @q) cost <…>            // all rows
    ```
    After:
    ```mlir
    plan.launch @k0_embed "embed" (buffer @x, weight @e) cost <…>
    plan.launch @k1_norm_quant "norm" (buffer @x, layer_weight 0, buffer @n) cost <…>
    plan.launch @k2_linear "q" (buffer @n, layer_weight 1, buffer @q) barrier cost <…>
    ```
  }];
}

def VerifyPlanPass : Tenon_LowerPass<"tenon-verify-plan"> {
  let summary = "Check that a plan is complete and safe to run";
  let description = [{
    Legality check at the end of the compiler, and for plans that were edited by hand; changes nothing.
    Beyond the ops' own verifiers:
    - KV geometry and limits are planned, and the default KV memory holds one sequence of the context;
    - nothing is read before a launch of the step has written it, and the step writes the logits;
    - buffers that are needed at the same time share no byte, for any T, S and W;
    - every dependency between workers has a barrier, and what other chips may still read is not
      written.
  }];
}

#endif // TENON_PASSES_LOWER_PASSES_TD
