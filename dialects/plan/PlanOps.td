//===- PlanOps.td - One op for one table of plan.fbs -------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_PLAN_PLANOPS
#define TENON_DIALECTS_PLAN_PLANOPS

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "dialects/plan/PlanAttributes.td"

class Plan_Op<string opMnemonic, list<Trait> traits = []> : Op<Plan_Dialect, opMnemonic, traits>;

/// Fields of the FlatBuffer that are uint32, and those that are uint64 (kept below 2^63).
def Plan_U32 : ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<4294967295>]>;
/// One replica is not written.
def Plan_Replicas : ConfinedAttr<I64Attr, [IntMinValue<2>, IntMaxValue<1024>]>;
def Plan_U64 : ConfinedAttr<I64Attr, [IntNonNegative]>;

def Plan_EngineOp : Plan_Op<"engine", [IsolatedFromAbove, SymbolTable, NoTerminator, SingleBlock,
                                       NoRegionArguments]> {
  let summary = "A whole plan (table Plan)";
  let description = [{
    The root. Holds exactly one `plan.model`, `plan.limits` and `plan.kv`, a `plan.chip` for every point
    of the device grid, at most one `plan.pooling`, and any number of the other ops. A step runs the `plan.call`s in order. `logits`
    names the buffer that holds f32 [S, vocabulary] at the end of a step.

    `replicas` such grids work side by side, each on sequences of its own; one if absent. What the op holds is
    of one replica and the same for all, weights included.

    ```mlir
    plan.engine producer "tenon 0.1.0" target "cpu" grid [1] logits @logits { ... }
    plan.engine producer "tenon 0.1.0" target "cpu" grid [1, 2] replicas 2 logits @logits { ... }
    ```
  }];
  let arguments = (ins StrAttr:$producer, StrAttr:$target, DenseI64ArrayAttr:$grid,
                       OptionalAttr<Plan_Replicas>:$replicas, FlatSymbolRefAttr:$logits);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `producer` $producer `target` $target `grid` $grid (`replicas` $replicas^)? `logits` $logits
    attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ModelOp getModel();
    LimitsOp getLimits();
    KvOp getKv();
    /// Null if there is none.
    PoolingOp getPooling();
    /// Grids like this one; 1 if it does not say.
    uint32_t getNumReplicas() { return static_cast<uint32_t>(getReplicas().value_or(1)); }
    /// Chip 0; every chip has the same buffers by name and order.
    ChipOp getFirstChip();
    /// The chip whose logits buffer is filled at the end of a step: the first of the last stage.
    ChipOp getLogitsChip();
    /// Programs that chips run; 1 where all run the same.
    uint32_t getNumPrograms();
    /// The first chip that runs `program`; null if none does.
    ChipOp getChipOf(uint32_t program);
    /// The program whose calls name `function`; 0 if none does.
    uint32_t getProgramOf(FunctionOp function);
    /// Bytes that the runtime makes at load for a chip that runs `program`: the end of the last weight
    /// with a seed.
    uint64_t getMadeWeightBytes(uint32_t program = 0);
  }];
}

def Plan_ModelOp : Plan_Op<"model", [HasParent<"EngineOp">]> {
  let summary = "What the engine's model is (table Model)";
  let description = [{
    For people and for the sampler: `bos` and `eos` are token ids, `weights` says how most weights are
    stored.

    ```mlir
    plan.model "SmolLM2" architecture "llama" vocabulary 49152 hidden 576 layers 30
      parameters 134515008 bos 1 eos [2] weights "q4_1"
    ```
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$architecture, Plan_U32:$vocabulary, Plan_U32:$hidden,
                       Plan_U32:$layers, Plan_U64:$parameters,
                       OptionalAttr<I64Attr>:$bos, DenseI64ArrayAttr:$eos, StrAttr:$weights_kind);
  let assemblyFormat = [{
    $name `architecture` $architecture `vocabulary` $vocabulary `hidden` $hidden `layers` $layers
    `parameters` $parameters (`bos` $bos^)? `eos` $eos `weights` $weights_kind attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_LimitsOp : Plan_Op<"limits", [HasParent<"EngineOp">]> {
  let summary = "What a run may hold: defaults, and what the runtime may change them to (table Limits)";
  let description = [{
    `context` is fixed (positions that a sequence may have). Step tokens (`T`), sequences (`S`) and the
    memory of the KV cache have a default; the runtime may choose others up to the maxima without a new
    build, because every size in the plan is a form of them. Step tokens and sequences are multiples of
    16. Zeros stand for "not planned yet" and are refused by `--tenon-verify-plan`.

    ```mlir
    plan.limits context 8192 step_tokens 512 to 8192 sequences 16 to 1024 kv_bytes 277217280
    ```
  }];
  let arguments = (ins Plan_U32:$max_context, Plan_U32:$default_step_tokens, Plan_U32:$max_step_tokens,
                       Plan_U32:$default_sequences, Plan_U32:$max_sequences,
                       Plan_U64:$default_kv_bytes);
  let assemblyFormat = [{
    `context` $max_context `step_tokens` $default_step_tokens `to` $max_step_tokens
    `sequences` $default_sequences `to` $max_sequences `kv_bytes` $default_kv_bytes attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_ChipOp : Plan_Op<"chip", [HasParent<"EngineOp">, IsolatedFromAbove, SymbolTable, NoTerminator,
                                   SingleBlock, NoRegionArguments]> {
  let summary = "A device: its arena and its stored weights (table Chip)";
  let description = [{
    Holds the buffers of its activation arena. `weights` is the size of its weights section, without what
    the runtime makes. The program is SPMD: all chips have buffers of the same
    names in the same order, and a launch names them without a chip. A buffer that a chip does not use
    has no size there.

    Chips whose parts of the model have other sizes run another `program`, which is other calls;
    chips of one program differ in the bytes of their weights alone. `kv` is the layers and KV heads
    that the chip caches, all of them if absent, `from` the first of these heads if it is not the model's, and `first_token` the id of the first row of its
    part of the embedding.

    ```mlir
    plan.chip 0 kind "cpu" arena <6912 T + 196608 S> weights 87654400 {
      plan.buffer @x at <0> size <2304 T>
    }
    plan.chip 1 kind "cpu" program 1 arena <5376 T> weights 41943040 kv 30 x 1 from 2 first_token 24576 {
      plan.buffer @x at <0> size <2304 T>
    }
    ```
  }];
  let arguments = (ins Plan_U32:$id, StrAttr:$kind, OptionalAttr<Plan_U32>:$program,
                       Plan_ExtentAttr:$arena, Plan_U64:$weights_bytes,
                       OptionalAttr<Plan_U32>:$kv_layers, OptionalAttr<Plan_U32>:$kv_heads,
                       OptionalAttr<Plan_U32>:$first_kv_head, OptionalAttr<Plan_U32>:$first_token);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $id `kind` $kind (`program` $program^)? `arena` $arena `weights` $weights_bytes
    (`kv` $kv_layers^ `x` $kv_heads)? (`from` $first_kv_head^)? (`first_token` $first_token^)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    uint32_t getProgramNumber() { return getProgram().value_or(0); }
  }];
}

def Plan_PoolingOp : Plan_Op<"pooling", [HasParent<"EngineOp">,
                                         DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "How a token's last hidden state is read (table Pooling)";
  let description = [{
    At the end of a step `hidden` holds f32 [T, hidden] rows on the logits' chip, as they are before the last
    norm, whether or not a row has logits. Its bytes are nobody else's from the last write on. `norm` and `eps`
    are that norm's, which the reader applies to the rows that it wants: steps that want none pay nothing.
    At most one; without it an engine has no embeddings.

    ```mlir
    plan.pooling hidden @x norm @output_norm.weight eps 1.000000e-05
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$hidden, FlatSymbolRefAttr:$norm, F32Attr:$eps);
  let assemblyFormat = "`hidden` $hidden `norm` $norm `eps` $eps attr-dict";
}

def Plan_BufferOp : Plan_Op<"buffer", [HasParent<"ChipOp">, Symbol]> {
  let summary = "A place in the activation arena (table Buffer)";
  let description = [{
    Buffers may overlap where they are not live at the same time; `--tenon-verify-plan` proves it.
    Offset and size are 64-byte aligned for T and S that are multiples of 16.

    ```mlir
    plan.buffer @q at <2304 T> size <2304 T>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_ExtentAttr:$offset, Plan_ExtentAttr:$size);
  let assemblyFormat = "$sym_name `at` $offset `size` $size attr-dict";
  let hasVerifier = 1;
}

def Plan_KvOp : Plan_Op<"kv", [HasParent<"EngineOp">]> {
  let summary = "Geometry of the KV cache (table KvPlan)";
  let description = [{
    One block holds `block_tokens` positions of one sequence over all layers, keys and values. Its layout
    is `runtime/device/cpu/KernelAbi.h`. How many blocks there are is the runtime's choice: memory
    divided by `bytes_per_block`. Zero block fields stand for "not planned yet".

    ```mlir
    plan.kv layers 30 heads 3 dim 64 block_tokens 16 element_bytes 2 bytes_per_block 368640
    ```
  }];
  let arguments = (ins Plan_U32:$layers, Plan_U32:$kv_heads, Plan_U32:$head_dim, Plan_U32:$block_tokens,
                       Plan_U32:$element_bytes, Plan_U64:$bytes_per_block);
  let assemblyFormat = [{
    `layers` $layers `heads` $kv_heads `dim` $head_dim `block_tokens` $block_tokens
    `element_bytes` $element_bytes `bytes_per_block` $bytes_per_block attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_WeightOp : Plan_Op<"weight", [HasParent<"EngineOp">, Symbol]> {
  let summary = "One tensor of the weights section (table Weight)";
  let description = [{
    `rows` output channels of `columns` inputs. `packed` means panels (`runtime/engine/WeightFormat.h`);
    otherwise plain row-major f32. With a `seed` nothing is stored: the runtime makes the tensor at load,
    the same each time, and the offset is in the region of made weights.

    ```mlir
    A weight of a `program` other than 0 has a name of its own; `of` names the checkpoint's tensor and
    `part` says which part of it the program's chips hold, if it is not the whole.

    ```mlir
    plan.weight @"blk.0.attn_q.weight" q4_1 rows 576 columns 576 at 4096 size 207360 packed
    plan.weight @"blk.0.attn_q.weight#1" q4_1 rows 192 columns 576 at 4096 size 69120 packed program 1
      of "blk.0.attn_q.weight" part <0, [0, 384]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_WeightFormat:$format, Plan_U64:$rows,
                       Plan_U64:$columns, Plan_U64:$offset, Plan_U64:$size, UnitAttr:$packed,
                       OptionalAttr<I64Attr>:$seed, OptionalAttr<Plan_U32>:$program,
                       OptionalAttr<StrAttr>:$tensor, OptionalAttr<Plan_PartAttr>:$part);
  let assemblyFormat = [{
    $sym_name $format `rows` $rows `columns` $columns `at` $offset `size` $size (`packed` $packed^)?
    (`seed` $seed^)? (`program` $program^)? (`of` $tensor^)? (`part` $part^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    uint32_t getProgramNumber() { return getProgram().value_or(0); }
    /// Name of the checkpoint's tensor that it is made from.
    StringRef getTensorName() { return getTensor().value_or(getSymName()); }
  }];
}

def Plan_KernelOp : Plan_Op<"kernel", [HasParent<"EngineOp">, Symbol]> {
  let summary = "A kernel of the objects; the same symbol in every variant (table Kernel)";
  let description = [{
    `kind` and `spec` say everything that is constant in the emitted code. For a CPU chip they are
    `compiler/targets/cpu/KernelSpec.h`, fields in snake case; fields that have their default are left
    out. The spec's text is what the engine stores.

    ```mlir
    plan.kernel @k3_linear_gate "linear_gate"
      {activation = "silu", formats = ["q4_1", "q4_1"], k = 576, n = 1536, quant_in, quant_out} scratch 0
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kind, DictionaryAttr:$spec,
                       Plan_U64:$scratch_bytes);
  let assemblyFormat = "$sym_name $kind $spec `scratch` $scratch_bytes attr-dict";
  let hasVerifier = 1;
}

def Plan_FunctionOp : Plan_Op<"function", [HasParent<"EngineOp">, Symbol, NoTerminator, SingleBlock,
                                           NoRegionArguments]> {
  let summary = "A launch list (table Function)";
  let description = [{
    A layer is one function, called with the weights of each layer, so that a plan does not grow with
    the number of launches times the number of layers.

    ```mlir
    plan.function @layer_0 {
      plan.launch @k0_norm_quant "attn_norm" (buffer @x, layer_weight 0, buffer @n) cost <bytes = 4896 T>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def Plan_LaunchOp : Plan_Op<"launch", [HasParent<"FunctionOp">,
                                       DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Every worker runs its share of a kernel (table Launch)";
  let description = [{
    Pointers are in the order that the kernel's kind states. With `barrier`, no worker starts before all
    have finished everything before. The cost feeds planning and the runtime's ledger.

    With `own_rows N`, chip `i` of the `n` of a stage does rows `[T i/n, T (i + 1)/n)` of a step of `T >= N`
    rows and no others (`tenon-own-rows`); of a smaller step every chip does all.

    With `kept` the launch's rows are those that a step keeps for the end of the last layer
    (`tenon-keep-rows`): they are its token rows, and the numbers of them in the step are its logit rows.

    ```mlir
    plan.launch @k1_linear "attn_output" (buffer @a, layer_weight 4, buffer @x) barrier
      cost <bytes = 207360 + 5508 T, macs = 331776 T>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, StrAttr:$name, Plan_ArgArrayAttr:$args,
                       UnitAttr:$kept, UnitAttr:$barrier_before, OptionalAttr<Plan_U32>:$own_rows,
                       Plan_CostAttr:$cost);
  let assemblyFormat = [{
    $kernel $name ` ` `(` custom<LaunchArgs>($args) `)` (`kept` $kept^)? (`barrier` $barrier_before^)?
    (`own_rows` $own_rows^)? `cost` $cost attr-dict
  }];
}

def Plan_CollectiveOp : Plan_Op<"collective", [HasParent<"FunctionOp">,
                                               DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Chips along an axis of the grid exchange rows (table Collective)";
  let description = [{
    Stands in a function like a launch. `from` is what the chip gives and `to` what it gets, f32
    rows of token rows or, with `logit_rows`, of rows with logits, or with `kept` of those kept.

    - `all_reduce`: `to` = the sum of the chips' `from` in order of chip; with `add`, `to` += it. With
      `bf16` what the chips give is rounded to that; sums are f32.
    - `gather_columns`: chip `i` gives columns `[columns[i], columns[i + 1])` of `to`, which chip 0 of
      the axis gets.
    - `send` to the next chip along the axis, `receive` from the one before.
    - `gather_rows`, always with `own_rows N`: of a step of `N` rows or more every chip gets the rows that
      the others have made, in the place in its own `to` where they belong. Nothing happens in a smaller
      step. Rows are moved as they are; `columns` counts words of four bytes.

    An `all_reduce` with `own_rows N` leaves each chip the sum of its own rows only (a reduce-scatter) in a
    step of `N` rows or more.

    With `overlap N blocks B` rows travel while the chip computes, in a step of `N` rows or more and between chips of
    several processes: the product before an `all_reduce` of own rows, or behind a `gather_rows`, is done in blocks of `B`
    rows. Before a sum the rows of other chips come first and leave block by block; after a gather the
    chip's own rows do, and the others' follow as they arrive.

    Entering is a barrier of all workers of all chips concerned but for `send` and `receive`; so no
    launch before needs one. Others read `from` after the chip has gone on: with `fence` it waits
    until they have, without one the plan keeps `from` untouched up to the next collective.

    ```mlir
    plan.collective all_reduce "attn_output" from @o to @x axis 1 columns [0, 576] add
      cause "the columns of attn_output are cut" cost <bytes = 6912 T>
    ```
  }];
  let arguments = (ins Plan_CollectiveKind:$kind, StrAttr:$name,
                       OptionalAttr<FlatSymbolRefAttr>:$source,
                       OptionalAttr<FlatSymbolRefAttr>:$target, Plan_U32:$axis,
                       DenseI64ArrayAttr:$columns, UnitAttr:$accumulate, UnitAttr:$bf16,
                       UnitAttr:$logit_rows, UnitAttr:$kept,
                       UnitAttr:$fence, OptionalAttr<Plan_U32>:$own_rows,
                       OptionalAttr<Plan_U32>:$overlap, OptionalAttr<Plan_U32>:$blocks, StrAttr:$cause,
                       Plan_CostAttr:$cost);
  let assemblyFormat = [{
    $kind $name (`from` $source^)? (`to` $target^)? `axis` $axis `columns` $columns
    (`add` $accumulate^)? (`bf16` $bf16^)? (`logit_rows` $logit_rows^)? (`kept` $kept^)? (`fence` $fence^)?
    (`own_rows` $own_rows^)? (`overlap` $overlap^ `blocks` $blocks)? `cause` $cause
    `cost` $cost attr-dict
  }];
  let extraClassDeclaration = [{
    /// Columns of what chip `rank` of the axis gives, and of what it gets.
    uint64_t getSourceColumns(uint64_t rank);
    uint64_t getTargetColumns() { return getColumns().back(); }
    /// Whether chips meet in it whatever the step: not where rows are gathered of large steps only.
    bool alwaysMeets() { return getKind() != CollectiveKind::GatherRows; }
    /// The product that it overlaps with, or that it could with `overlap`: the launch beside it that works on token
    /// rows of its buffer. Null if there is none.
    LaunchOp getProduct();
    /// By argument of that launch, the bytes from one token row to the next; 0 of what has no token rows.
    SmallVector<uint64_t> getProductStrides();
    /// Bytes of an element of what a chip gives.
    uint64_t getSourceElementBytes() { return getBf16() ? 2 : 4; }
  }];
}

def Plan_CallOp : Plan_Op<"call", [HasParent<"EngineOp">,
                                   DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a function with the weights of one layer (table Call)";
  let description = [{
    `weights` are what `layer_weight i` of the function's launches means; `kv_layer` is the layer whose
    pools `k_pool` and `v_pool` are.

    ```mlir
    plan.call @layer_0 weights [@"blk.7.attn_norm.weight", @"blk.7.attn_q.weight"] kv_layer 7
    ```

    Chips of another program than 0 run the calls of theirs; `kv_layer` counts the layers that the chip
    caches.
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, FlatSymbolRefArrayAttr:$weights,
                       Plan_U32:$kv_layer, OptionalAttr<Plan_U32>:$program);
  let assemblyFormat = [{
    $function `weights` $weights `kv_layer` $kv_layer (`program` $program^)? attr-dict
  }];
  let extraClassDeclaration = [{
    uint32_t getProgramNumber() { return getProgram().value_or(0); }
  }];
}

def Plan_CheckOp : Plan_Op<"check", [HasParent<"EngineOp">]> {
  let summary = "What --verify found for one kernel region (table Check)";
  let description = [{
    The largest errors of the emitted kernel against the reference evaluation over `samples` inputs.

    ```mlir
    plan.check "layer_0.ffn_down" abs 1.25e-05 rel 3.0e-04 samples 3
    ```
  }];
  let arguments = (ins StrAttr:$region, F32Attr:$max_abs_error, F32Attr:$max_rel_error,
                       Plan_U32:$samples);
  let assemblyFormat = [{
    $region `abs` $max_abs_error `rel` $max_rel_error `samples` $samples attr-dict
  }];
}

#endif // TENON_DIALECTS_PLAN_PLANOPS
