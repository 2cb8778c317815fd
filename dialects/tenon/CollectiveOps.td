//===- CollectiveOps.td - What the chips of a grid tell each other -*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Placed by the shard stage. Upstream's `shard.all_gather` wants equal static parts, and its ops have
// no cost and no reference evaluation, which a fused region is made of; so these are ops of this
// dialect. `axis` is a dimension of the module's `shard.grid`: chips that differ in it alone talk.
//

#ifndef TENON_DIALECTS_TENON_COLLECTIVEOPS_TD
#define TENON_DIALECTS_TENON_COLLECTIVEOPS_TD

include "dialects/tenon/TenonOpBase.td"

def Tenon_GridAxis : ConfinedAttr<I32Attr, [IntNonNegative]>;

def Tenon_AllReduceOp : Tenon_ValueOp<"all_reduce", [Tenon_OwnCost]> {
  let summary = "Sum of the chips' values, in order of chip";
  let description = [{
    Every chip along `axis` of the grid gives its `input` and has the sum. Terms are added in order of
    chip, so every chip gets the same bits every time. What is given may be rounded to bf16
    (`tenon.round_rows`); sums are f32. `cause` says what was cut.

    ```mlir
    %s = tenon.all_reduce %p axis 1 {cause = "columns of linear attn_output"} : tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_GridAxis:$axis, OptionalAttr<StrAttr>:$cause);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input)";
}

def Tenon_GatherColumnsOp : Tenon_ValueOp<"gather_columns", [Tenon_OwnCost]> {
  let summary = "The chips' columns side by side";
  let description = [{
    Chip `i` along `axis` gives columns `[begins[i], begins[i + 1])`; parts may differ in size. Of the
    result only who samples needs the rows, so only chip 0 along the axis is sure to have them.

    ```mlir
    %l = tenon.gather_columns %part axis 1 begins [0, 24576, 49152]
      : tensor<?x24576xf32> -> tensor<?x49152xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_GridAxis:$axis, DenseI64ArrayAttr:$begins,
                       OptionalAttr<StrAttr>:$cause);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = [{
    $input `axis` $axis `begins` $begins attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tenon_ReceiveOp : Tenon_ComputeOp<"receive", [MemoryEffects<[MemRead]>, Tenon_OwnCost]> {
  let summary = "Activations of the stage before";
  let description = [{
    What the chip before this one along `axis` sends in this step. `rows` is any value that has as many
    rows as will come.

    ```mlir
    %x = tenon.receive axis 0 like %positions : tensor<?xi32> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Index:$rows, Tenon_GridAxis:$axis, OptionalAttr<StrAttr>:$cause);
  let results = (outs Tenon_Tensor:$result);
  let assemblyFormat = "`axis` $axis `like` $rows attr-dict `:` type($rows) `->` type($result)";
}

def Tenon_SendOp : Tenon_ComputeOp<"send", [MemoryEffects<[MemWrite]>, Tenon_OwnCost]> {
  let summary = "Activations for the stage after";
  let description = [{
    ```mlir
    tenon.send %x axis 0 : tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Tenon_Tensor:$input, Tenon_GridAxis:$axis, OptionalAttr<StrAttr>:$cause);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input)";
}

#endif // TENON_DIALECTS_TENON_COLLECTIVEOPS_TD
