//===- PlanDialect.td - What the runtime executes ----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_PLAN_PLANDIALECT
#define TENON_DIALECTS_PLAN_PLANDIALECT

include "mlir/IR/DialectBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::mlir::plan";
  let summary = "What the runtime executes, one op for one table of the engine's FlatBuffer";
  let description = [{
    Everything in this dialect is decided: which byte of the arena a buffer has, which kernel a launch
    runs, where a barrier stands. There are no SSA values; ops name each other by symbol. A plan
    translates to the FlatBuffer of `runtime/engine/plan.fbs` and back without loss
    (`compiler/engine/PlanTranslate.h`), so that an engine can be read, edited and verified as text.

    Sizes are *extents*, linear forms in what may differ from run to run: `T`, the most tokens of a
    step, `S`, the most rows with logits, and `W`, the worker threads. The order of ops of one kind is
    the index that the FlatBuffer uses.

    ```mlir
    plan.engine producer "tenon 0.1.0" target "cpu" grid [1] logits @logits {
      plan.model "tiny" architecture "llama" vocabulary 512 hidden 64 layers 2 parameters 1000 eos [2]
        weights "q4_0"
      plan.limits context 256 step_tokens 64 to 256 sequences 4 to 16 kv_bytes 131072
      plan.chip 0 kind "cpu" arena <256 T + 2048 S> weights 65536 {
        plan.buffer @x at <0> size <256 T>
        plan.buffer @logits at <256 T> size <2048 S>
      }
      ...
      plan.function @layer {
        plan.launch @k1_linear "attn_output" (buffer @a, layer_weight 1, buffer @x) barrier
          cost <bytes = 2304 + 512 T, macs = 4096 T>
      }
      plan.call @layer weights [@"blk.0.attn_norm", @"blk.0.attn_output"] kv_layer 0
    }
    ```

    Why it is this way, and what was left out: `docs/dialects/plan-rationale.md`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
}

#endif // TENON_DIALECTS_PLAN_PLANDIALECT
