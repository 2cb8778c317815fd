//===- Passes.td - The memory stage ---------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_PASSES_MEMORY_PASSES_TD
#define TENON_PASSES_MEMORY_PASSES_TD

include "mlir/Pass/PassBase.td"

class Tenon_MemoryPass<string argument> : Pass<argument, "::mlir::plan::EngineOp">;

def OrderWeightsPass : Tenon_MemoryPass<"tenon-order-weights"> {
  let summary = "Lay out weights in the order that a step first reads them";
  let description = [{
    A step then reads its weights front to back. Offsets are multiples of 64 bytes, and of a page for
    weights of 64 KiB and more; weights with a seed are laid out apart, in the region that the runtime
    makes. A weight that no launch reads is dropped. Sets the chips' stored weight bytes.

    Before:
    ```mlir
    plan.weight @b f32 rows 1 columns 64 at 0 size 256
    plan.weight @a f32 rows 1 columns 48 at 0 size 192
    ... launches read @a, then @b
    ```
    After:
    ```mlir
    plan.weight @a f32 rows 1 columns 48 at 0 size 192
    plan.weight @b f32 rows 1 columns 64 at 192 size 256
    ```
    Requires calls and launches; ignores the offsets that are there.
  }];
}

def PlanArenaPass : Tenon_MemoryPass<"tenon-plan-arena"> {
  let summary = "Give every buffer its place in the activation arena";
  let description = [{
    Buffers that are never needed at the same time share bytes. Liveness is exact over the launches of
    a whole step. Offsets and sizes are linear forms in step tokens, logit rows and workers; two
    buffers are taken as apart only if one ends where the other begins *coefficient by coefficient*, so
    that the plan holds for every size of step. Greedy by size, largest first, each at the lowest place
    that is free (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
    section 4.3); sizes are compared at the default limits.

    Before:
    ```mlir
    plan.buffer @a at <0> size <256 T>
    plan.buffer @b at <0> size <128 T>   // live with @a
    plan.buffer @c at <0> size <64 T>    // live with @a, not with @b
    ```
    After:
    ```mlir
    plan.buffer @a at <0> size <256 T>
    plan.buffer @b at <256 T> size <128 T>
    plan.buffer @c at <256 T> size <64 T>
    ```
    Sets the chips' arena; ignores the offsets that are there.
  }];
}

def PlanKvBlocksPass : Tenon_MemoryPass<"tenon-plan-kv-blocks"> {
  let summary = "Fix the geometry of the KV cache's blocks";
  let description = [{
    Blocks of 16 tokens in f16, the layout of `runtime/device/cpu/KernelAbi.h`. How many blocks there
    are stays open: memory divided by bytes per block, at run time.

    Before:
    ```mlir
    plan.kv layers 30 heads 3 dim 64 block_tokens 0 element_bytes 0 bytes_per_block 0
    ```
    After:
    ```mlir
    plan.kv layers 30 heads 3 dim 64 block_tokens 16 element_bytes 2 bytes_per_block 368640
    ```
  }];
}

def PlanLimitsPass : Tenon_MemoryPass<"tenon-plan-limits"> {
  let summary = "Choose default limits, and the range within which a run may change them";
  let description = [{
    Step tokens 512, up to 8,192; sequences 16, up to 1,024. The default memory of the KV cache is
    `(ceil(context / 16) + 8 * (sequences - 1)) * bytes_per_block`: one sequence of the whole context,
    and 128 tokens for each of the others. Limits that are not zero are kept, rounded up to multiples
    of 16. Requires `tenon-plan-kv-blocks`.
  }];
}

#endif // TENON_PASSES_MEMORY_PASSES_TD
