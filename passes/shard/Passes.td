//===- Passes.td - The shard stage ----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_PASSES_SHARD_PASSES_TD
#define TENON_PASSES_SHARD_PASSES_TD

include "mlir/Pass/PassBase.td"

class Tenon_ShardPass<string argument> : Pass<argument, "::mlir::ModuleOp"> {
  let dependentDialects = ["::mlir::shard::ShardDialect", "::mlir::tenon::TenonDialect"];
}

def ShardStrategyPass : Tenon_ShardPass<"tenon-shard-strategy"> {
  let summary = "Lay the grid out and annotate the weights that decide how a model is cut";
  let description = [{
    Gives the module's grid the shape `pipeline` x `tensor` and annotates weights with upstream's
    `shard.shard` (Shoeybi et al., "Megatron-LM", section 3): query, key and value by heads, gate and
    up by channels, the embedding and output matrices by vocabulary. What follows from these is left
    to `tenon-propagate-sharding`.

    - Heads are cut between KV heads where that is even. Else between query heads, if the chip with
      the most attention then has less of it: 9 heads with 3 KV heads are 5 and 4 for two chips. A KV
      head whose query heads are shared is not annotated: those chips each keep a copy
      (`tenon-partition` stores only the heads that a chip reads).
    - Edges lie on quantisation groups of the product that adds up the parts (32 columns, 256 for the K
      formats), so that parts of a row are quantised as the whole was. Vocabularies are cut between
      panels of 16.
    - Shares differ by at most one unit. What has fewer units than there are chips stays whole, with a
      remark; heads are an exception, because a chip without attention has nothing to do: that is an
      error.

    Before:
    ```mlir
    func.func private @layer_0(…, %wq: tensor<576x576xf32>, …) {
      %q = tenon.linear %n, %wq : …
    ```
    After, for two chips, 9 heads of 64 and 3 KV heads:
    ```mlir
    shard.grid @chips(shape = 1x2)
    func.func private @layer_0(…, %wq: tensor<576x576xf32>, …) {
      %s = shard.sharding @chips split_axes = [[1]] sharded_dims_offsets = [0, 320, 576] : !shard.sharding
      %c = shard.shard %wq to %s : tensor<576x576xf32>
      %q = tenon.linear %n, %c : …
    ```
  }];
  let options = [
    Option<"tensor", "tensor", "int64_t", "1", "Chips that share each layer">,
    Option<"pipeline", "pipeline", "int64_t", "1", "Stages of consecutive layers">
  ];
}

def PropagateShardingPass : Tenon_ShardPass<"tenon-propagate-sharding"> {
  let summary = "Find how every value is cut, from the annotated weights and the ops' sharding rules";
  let description = [{
    Walks each function once, forwards. An op's rule (upstream's ShardingInterface) says which
    dimensions of its operands and results are one loop; a loop that is cut in one operand is cut in
    all. A weight that nothing was said about follows its reader. Every value that is cut is
    annotated.

    Upstream's own propagation is not used: it drops `sharded_dims_offsets`, so uneven parts become
    even ones, refuses ops with a `!tenon.kv` operand, and stops at calls.

    It is an error, at the op, if operands are cut differently along one loop, if one is whole where
    another is cut and it is no weight, and if a loop is cut that its op needs whole (the columns of a
    norm). A cut loop that is a sum leaves parts that have to be added: `tenon-partition` puts a
    `tenon.all_reduce` behind it.

    Before:
    ```mlir
    %c = shard.shard %wq to %s : tensor<576x576xf32>
    %q = tenon.linear %n, %c : …
    %h = tenon.split_heads %q : tensor<?x576xf32> -> tensor<?x9x64xf32>
    ```
    After:
    ```mlir
    %c = shard.shard %wq to %s : tensor<576x576xf32>
    %q = tenon.linear %n, %c : …
    %q1 = shard.shard %q to %s1 : tensor<?x576xf32>                // columns [0, 320, 576]
    %h = tenon.split_heads %q1 : tensor<?x576xf32> -> tensor<?x9x64xf32>
    %h1 = shard.shard %h to %s2 : tensor<?x9x64xf32>               // heads [0, 5, 9]
    ```
  }];
}

def PartitionPass : Tenon_ShardPass<"tenon-partition"> {
  let summary = "Make the programs of the chips: local shapes and collectives";
  let description = [{
    Chips whose parts have equal sizes run one program, a module within the module; `tenon.chips`
    lists them. So the work of later stages grows with the number of different shapes (one if all
    shares are even, and no more than two for each kind of cut) and not with the number of chips.
    What differs between the chips of one program are numbers: `#tenon.cut` on a weight lists where
    each chip's part begins.

    Types become those of a part; a `tenon.all_reduce` stands behind every op whose sum was cut, and
    `tenon.gather_columns` before logits are returned. A key or value that is whole while the query is
    cut keeps only the heads that a chip's queries read. With a pipeline, stages of consecutive
    layers become programs of their own, joined by `tenon.send` and `tenon.receive`; layers are shared
    out by the bytes of their weights, the output matrix counted with the last.

    Requires `tenon-propagate-sharding`. Ensures that every program is complete: the fuse stage and
    what follows see one chip.

    Before:
    ```mlir
    %d = tenon.linear %h, %wd : (tensor<?x1536xf32>, tensor<576x1536xf32>) -> tensor<?x576xf32>
    ```
    After:
    ```mlir
    module @program_0 attributes {tenon.chips = array<i64: 0, 1>} {
      …
      %p = tenon.linear %h, %wd : (tensor<?x768xf32>, tensor<576x768xf32>) -> tensor<?x576xf32>
      %d = tenon.all_reduce %p axis 1 {cause = "columns of ffn_down are cut"} : tensor<?x576xf32>
    ```
  }];
}

def FoldCollectivesPass : Tenon_ShardPass<"tenon-fold-collectives"> {
  let summary = "One collective where two meet, none that changes nothing";
  let description = [{
    - `add(all_reduce(a), all_reduce(b))` is `all_reduce(add(a, b))` if nobody else reads the sums.
    - Two `all_reduce` of one value are one.
    - `all_reduce` and `gather_columns` along an axis of one chip are their operand.

    Before:
    ```mlir
    %a1 = tenon.all_reduce %a axis 1 : tensor<?x64xf32>
    %b1 = tenon.all_reduce %b axis 1 : tensor<?x64xf32>
    %c = tenon.add %a1, %b1 : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %c0 = tenon.add %a, %b : tensor<?x64xf32>
    %c = tenon.all_reduce %c0 axis 1 : tensor<?x64xf32>
    ```
  }];
}

def ReplicatePass : Tenon_ShardPass<"tenon-replicate"> {
  let summary = "State how many grids like the module's work side by side (data parallel)";
  let description = [{
    A replica is a whole grid: all stages, all chips of each. Nothing but the sequences is shared out over
    replicas, so nothing in the program changes: no value is annotated, weights are whole in each, and no
    collective crosses from one to another. That is why replicas are an attribute of the grid and not an axis
    of it: `shard.sharding` and `tenon.all_reduce` name axes, and there is nothing that either could say of this one.
    The work of the passes does not depend on the number.

    `replicas=1` takes the attribute away. It is an error if the module has no grid.

    Before:
    ```mlir
    shard.grid @chips(shape = 1x2)
    ```
    After, for two replicas (four chips):
    ```mlir
    shard.grid @chips(shape = 1x2) {tenon.replicas = 2 : i64}
    ```
  }];
  let options = [Option<"replicas", "replicas", "int64_t", "1", "Grids that work side by side">];
}

def NarrowCollectivesPass : Tenon_ShardPass<"tenon-narrow-collectives"> {
  let summary = "Let chips add up products that are rounded to bf16";
  let description = [{
    Puts a `tenon.round_rows` between a product and the `tenon.all_reduce` that is its only reader, so
    that half the bytes travel; the sum is f32, as is the residual that it is added to. A choice
    (`--collectives bf16`), because it changes results: each chip's terms lose all but eight bits.

    Left alone are sums of anything but a product: of embeddings one chip alone has the row, and
    rounding it would lose bits of the model's own.

    Before:
    ```mlir
    %p = tenon.linear %h, %wd : (tensor<?x768xf32>, tensor<576x768xf32>) -> tensor<?x576xf32>
    %d = tenon.all_reduce %p axis 1 : tensor<?x576xf32>
    ```
    After:
    ```mlir
    %p = tenon.linear %h, %wd : (tensor<?x768xf32>, tensor<576x768xf32>) -> tensor<?x576xf32>
    %r = tenon.round_rows %p : tensor<?x576xf32> -> tensor<?x576xf32, #tenon.rows<bf16, 1>>
    %d = tenon.all_reduce %r axis 1 : tensor<?x576xf32, #tenon.rows<bf16, 1>>
    ```
  }];
}

def VerifyPartitionPass : Tenon_ShardPass<"tenon-verify-partition"> {
  let summary = "Refuse programs that use an unreduced value as if it were the sum";
  let description = [{
    Where an op sums over a dimension along which chips share a weight, each chip has its terms of the
    sum only. Such values may go through what is linear (`add` of two of them, `scale`, `split_heads`,
    `merge_heads`, `select_rows`, `round_rows`, the rows of a `linear`) and end in a `tenon.all_reduce`. It is an
    error, at the op, if anything else reads one, if one is added to a value that every chip has
    whole, if a function returns one, and if a whole value is added up.

    `tenon-partition` places every sum that its own cuts need; this is for partitions written or
    changed by hand or by another pass. Changes nothing. Requires `tenon-partition`, and that fusing
    has not begun.

    Refused:
    ```mlir
    %p = tenon.linear %h, %wd : …                        // @wd is cut along dimension 1
    %n = tenon.rms_norm %p, %w : …                       // of each chip's own terms
    ```
  }];
}

#endif // TENON_PASSES_SHARD_PASSES_TD
