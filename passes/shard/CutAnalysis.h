//===- CutAnalysis.h - How every value of a module is cut -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// One walk forwards through each function, linear in ops: from annotations and the ops' sharding
// rules to the cut of every value; then one that holds every op against its rule. Runs before and
// after `tenon-propagate-sharding` with the same result.
//
#ifndef TENON_PASSES_SHARD_CUTANALYSIS_H
#define TENON_PASSES_SHARD_CUTANALYSIS_H

#include "passes/shard/Cut.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::tenon {

/// What a part of an attention's query heads reads: KV heads, and the attention's `group` and
/// `skipped_heads` (0 where all of these KV heads are read by equally many).
struct HeadReads {
  Cut::Part kv;
  int64_t group, skipped;
};

/// Of query heads `part` of `heads`, which have `kvHeads` KV heads.
HeadReads readsOf(Cut::Part part, int64_t heads, int64_t kvHeads);

class CutAnalysis {
public:
  /// Fails, with an error at the op, on shardings that contradict each other or an op's rule.
  static FailureOr<CutAnalysis> compute(ModuleOp module);

  /// Null for a value that every chip has whole.
  const Cut *find(Value value) const {
    auto it = cuts.find(value);
    return it == cuts.end() ? nullptr : &it->second;
  }
  /// Null for a weight that every chip has whole, or that no call or reader uses.
  const Cut *findWeight(StringAttr name) const {
    auto it = weights.find(name);
    return it == weights.end() ? nullptr : &it->second;
  }
  /// True if the op adds over a loop that is cut: the chips' results are terms of a sum.
  bool isPartial(Operation *op) const { return partial.contains(op); }
  /// Name of the dimension that was cut, for people: "columns of ffn_down".
  std::string causeOf(Operation *op) const;

  /// All values that are cut, in order of the walk.
  const llvm::MapVector<Value, Cut> &all() const { return cuts; }
  int64_t chips() const { return chipCount; }

private:
  explicit CutAnalysis(ModuleOp module);
  LogicalResult inferFunction(func::FuncOp function);
  LogicalResult inferAnnotation(shard::ShardOp op);
  LogicalResult inferAttention(AttentionOp op);
  LogicalResult inferByRule(shard::ShardingInterface op);
  LogicalResult inferCall(func::CallOp call);
  LogicalResult keepHeads(Value value, const Cut &heads);
  LogicalResult checkFunction(func::FuncOp function);
  LogicalResult checkByRule(shard::ShardingInterface op);
  LogicalResult set(Operation *at, Value value, const Cut &cut);

  ModuleOp module;
  int64_t chipCount;
  llvm::MapVector<Value, Cut> cuts;
  llvm::DenseMap<StringAttr, Cut> weights;
  llvm::DenseSet<Operation *> partial;
};

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_CUTANALYSIS_H
