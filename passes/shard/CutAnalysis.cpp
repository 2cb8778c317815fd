//===- CutAnalysis.cpp - How every value of a module is cut ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/CutAnalysis.h"

#include "dialects/tenon/ImportedName.h"

using namespace mlir;
using namespace mlir::tenon;
using utils::IteratorType;

namespace {
RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

/// A weight: all of its sizes are static.
bool isWeight(Value value) {
  RankedTensorType type = tensorOf(value);
  return type && type.hasStaticShape();
}

/// What an annotation stands on.
Value source(Value value) {
  while (auto op = value.getDefiningOp<shard::ShardOp>())
    value = op.getSrc();
  return value;
}

/// What a message calls an op.
std::string nameOf(Operation *op) {
  std::string name = importedName(op);
  return name.empty() ? op->getName().stripDialect().str() : name;
}

/// One dimension of an operand or result that is a loop of the op's rule.
struct LoopUse {
  Value value;
  std::string what; ///< "operand 0", "result 0".
  unsigned dim;
  int64_t extent;
};

/// The uses of every loop of `op` that runs over a static dimension, and the loops' kinds.
struct LoopUses {
  SmallVector<SmallVector<LoopUse>> byLoop;
  SmallVector<IteratorType> iterators;
  SmallVector<shard::ReductionKind> reductions;

  explicit LoopUses(shard::ShardingInterface op)
      : iterators(op.getLoopIteratorTypes()), reductions(op.getReductionLoopIteratorKinds()) {
    byLoop.resize(iterators.size());
    SmallVector<AffineMap> maps = op.getIndexingMaps();
    const unsigned operands = op->getNumOperands();
    for (auto [index, map] : llvm::enumerate(maps)) {
      const bool isOperand = index < operands;
      Value value = isOperand ? op->getOperand(index) : op->getResult(index - operands);
      RankedTensorType type = tensorOf(value);
      if (!type)
        continue;
      for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
        auto loop = dyn_cast<AffineDimExpr>(expr);
        if (!loop || type.isDynamicDim(dim))
          continue;
        byLoop[loop.getPosition()].push_back(
            {value,
             (isOperand ? "operand " : "result ") +
                 std::to_string(isOperand ? index : index - operands),
             static_cast<unsigned>(dim), type.getDimSize(dim)});
      }
    }
  }

  /// What a reduction loop does with parts.
  shard::ReductionKind reduction(unsigned loop) const {
    unsigned number = llvm::count(ArrayRef(iterators).take_front(loop), IteratorType::reduction);
    return reductions[number];
  }
};
} // namespace

CutAnalysis::CutAnalysis(ModuleOp module)
    : module(module), chipCount(gridSize(module, kTensorAxis)) {}

FailureOr<CutAnalysis> CutAnalysis::compute(ModuleOp module) {
  CutAnalysis analysis(module);
  // Callees before callers: a call hands weights to arguments whose cut is known by then.
  SmallVector<func::FuncOp> functions;
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isExternal())
      functions.push_back(function);
  llvm::stable_sort(functions, [](func::FuncOp a, func::FuncOp b) {
    return a.getOps<func::CallOp>().empty() && !b.getOps<func::CallOp>().empty();
  });
  for (func::FuncOp function : functions)
    if (failed(analysis.inferFunction(function)))
      return failure();
  for (func::FuncOp function : functions)
    if (failed(analysis.checkFunction(function)))
      return failure();
  return analysis;
}

LogicalResult CutAnalysis::set(Operation *at, Value value, const Cut &cut) {
  value = source(value);
  auto [it, isNew] = cuts.insert({value, cut});
  if (!isNew && it->second != cut)
    return at->emitOpError("wants dimension ")
           << cut.dim << " of " << value.getType() << " cut at " << cut.text()
           << ", and elsewhere its dimension " << it->second.dim << " is cut at "
           << it->second.text();
  if (auto param = value.getDefiningOp<ParamOp>()) {
    auto [known, first] = weights.try_emplace(param.getWeightAttr().getAttr(), cut);
    if (!first && known->second != cut)
      return at->emitOpError("wants @")
             << param.getWeight() << " cut at " << cut.text()
             << ", and another reader wants it cut at " << known->second.text();
  }
  // Every annotation of the value says the same as the value itself.
  for (Operation *user : value.getUsers())
    if (auto annotation = dyn_cast<shard::ShardOp>(user))
      cuts.insert({annotation.getResult(), cut});
  return success();
}

LogicalResult CutAnalysis::inferFunction(func::FuncOp function) {
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("has more than one block; layers are straight lines");
  for (Operation &op : function.getBody().front()) {
    LogicalResult result = success();
    if (auto annotation = dyn_cast<shard::ShardOp>(op))
      result = inferAnnotation(annotation);
    else if (auto attention = dyn_cast<AttentionOp>(op))
      result = inferAttention(attention);
    else if (auto call = dyn_cast<func::CallOp>(op))
      result = inferCall(call);
    else if (auto ruled = dyn_cast<shard::ShardingInterface>(op);
             ruled && !isa<ParamOp, KvLayerOp>(op))
      result = inferByRule(ruled);
    if (failed(result))
      return failure();
  }
  return success();
}

LogicalResult CutAnalysis::inferAnnotation(shard::ShardOp op) {
  FailureOr<std::optional<Cut>> cut = cutOf(op);
  if (failed(cut))
    return failure();
  if (!*cut)
    return success();
  Value value = source(op.getSrc());
  const bool given = isa<BlockArgument>(value) || value.getDefiningOp<ParamOp>();
  if (!given && !cuts.contains(value))
    return op.emitOpError("says that ")
           << value.getType() << " is cut at " << (*cut)->text() << ", but "
           << value.getDefiningOp()->getName() << " makes it whole on every chip";
  if (failed(set(op, value, **cut)))
    return failure();
  cuts.insert({op.getResult(), **cut});
  return success();
}

LogicalResult CutAnalysis::inferByRule(shard::ShardingInterface op) {
  const LoopUses uses(op);
  const unsigned operands = op->getNumOperands();
  (void)operands;
  for (auto [loop, values] : llvm::enumerate(uses.byLoop)) {
    const LoopUse *from = nullptr;
    const Cut *cut = nullptr;
    for (const LoopUse &use : values)
      if (const Cut *known = find(use.value); known && known->dim == use.dim && !from) {
        from = &use;
        cut = known;
      }
    if (!from)
      continue;
    const Cut parts = *cut; // `set` may move what `cut` points to.
    const bool reduces = uses.iterators[loop] == IteratorType::reduction;
    if (reduces && uses.reduction(loop) != shard::ReductionKind::Sum)
      return op->emitOpError("needs dimension ")
             << from->dim << " of " << from->what << " whole, and it is cut at " << parts.text();
    if (reduces)
      partial.insert(op);
    for (const LoopUse &use : values) {
      if (find(use.value))
        continue; // checkByRule compares.
      const bool isResult = use.value.getDefiningOp() == op.getOperation();
      if (!isResult && !isWeight(use.value))
        return op->emitOpError(use.what)
               << " is whole where " << from->what << " is cut at " << parts.text()
               << " along the same loop; cut both or neither";
      auto scaled = parts.scaled(use.dim, from->extent, use.extent);
      if (!scaled)
        return op->emitOpError("would cut dimension ")
               << use.dim << " of " << use.what << ", " << use.extent << " elements, within an "
               << "element to follow " << from->what << ", which is cut at " << parts.text();
      if (failed(set(op, use.value, *scaled)))
        return failure();
    }
  }
  return success();
}

HeadReads mlir::tenon::readsOf(Cut::Part part, int64_t heads, int64_t kvHeads) {
  const int64_t group = heads / kvHeads, first = part.begin / group;
  const int64_t end = (part.begin + part.size + group - 1) / group;
  HeadReads reads = {{first, end - first}, group, part.begin % group};
  // Whole groups, or some queries of one KV head.
  if (reads.kv.size == 1 || (reads.skipped == 0 && part.size % group == 0))
    reads.group = reads.skipped = 0;
  return reads;
}

LogicalResult CutAnalysis::inferAttention(AttentionOp op) {
  const Cut *query = find(op.getQuery());
  if (!query) {
    if (find(op.getKey()) || find(op.getValue()))
      return op.emitOpError("has a whole query and cut keys or values; cut the query by heads too");
    return success();
  }
  const Cut parts = *query;
  const int64_t heads = op.getQuery().getType().getDimSize(1),
                kvHeads = op.getKey().getType().getDimSize(1);
  if (parts.dim != 1)
    return op.emitOpError(
               "needs the elements of a head whole, and the query is cut along dimension ")
           << parts.dim;
  Cut needed;
  needed.dim = 1;
  for (Cut::Part part : parts.parts)
    needed.parts.push_back(readsOf(part, heads, kvHeads).kv);
  for (Value value : {Value(op.getKey()), Value(op.getValue())}) {
    if (const Cut *known = find(value)) {
      if (*known != needed)
        return op.emitOpError("reads keys or values cut at ")
               << known->text() << ", and its query heads, cut at " << parts.text() << ", read "
               << needed.text();
    } else if (failed(keepHeads(value, needed))) {
      return failure();
    }
  }
  return set(op, op.getResult(), parts);
}

/// Of heads that every chip could compute, each keeps those that it reads.
LogicalResult CutAnalysis::keepHeads(Value value, const Cut &heads) {
  value = source(value);
  Operation *def = value.getDefiningOp();
  RankedTensorType type = tensorOf(value);
  if (!isa_and_nonnull<RopeOp, RmsNormOp, ScaleOp, SplitHeadsOp, LinearOp>(def))
    return mlir::emitError(value.getLoc())
           << "keys and values come from products where query heads are cut";
  if (failed(set(def, value, heads)))
    return failure();
  if (auto linear = dyn_cast<LinearOp>(def)) {
    Cut rows = heads;
    rows.dim = 0;
    return set(def, linear.getWeight(), rows);
  }
  if (auto split = dyn_cast<SplitHeadsOp>(def))
    return keepHeads(split.getInput(), *heads.scaled(1, type.getDimSize(1),
                                                     split.getInput().getType().getDimSize(1)));
  return keepHeads(def->getOperand(0), heads);
}

LogicalResult CutAnalysis::inferCall(func::CallOp call) {
  auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
  if (!callee || callee.isExternal())
    return call.emitOpError("calls no function of the module");
  for (auto [number, operand, argument] :
       llvm::enumerate(call.getOperands(), callee.getArguments())) {
    const Cut *cut = find(argument);
    if (!isWeight(operand)) {
      if (cut || find(operand))
        return call.emitOpError("passes argument ")
               << number << " in parts; activations are whole between layers";
      continue;
    }
    if (!cut) {
      if (find(operand))
        return call.emitOpError("passes argument ")
               << number << " in parts, and @" << call.getCallee() << " reads it whole";
      continue;
    }
    const Cut parts = *cut;
    if (failed(set(call, operand, parts)))
      return failure();
  }
  return success();
}

LogicalResult CutAnalysis::checkFunction(func::FuncOp function) {
  for (Operation &op : function.getBody().front()) {
    if (auto ruled = dyn_cast<shard::ShardingInterface>(op);
        ruled && !isa<ParamOp, KvLayerOp, AttentionOp>(op))
      if (failed(checkByRule(ruled)))
        return failure();
    if (isa<func::ReturnOp>(op) && function.getSymName() != "step")
      for (Value value : op.getOperands())
        if (const Cut *cut = find(value))
          return op.emitOpError("returns a value cut at ")
                 << cut->text() << "; activations are whole between layers";
  }
  return success();
}

LogicalResult CutAnalysis::checkByRule(shard::ShardingInterface op) {
  const LoopUses uses(op);
  for (auto [loop, values] : llvm::enumerate(uses.byLoop)) {
    const LoopUse *first = nullptr;
    for (const LoopUse &use : values) {
      const Cut *cut = find(use.value);
      if (!cut || cut->dim != use.dim)
        continue;
      if (!first) {
        first = &use;
        continue;
      }
      auto wanted = find(first->value)->scaled(use.dim, first->extent, use.extent);
      if (!wanted || *wanted != *cut)
        return op->emitOpError(use.what)
               << " is cut at " << cut->text() << " and " << first->what << " at "
               << find(first->value)->text() << " along the same loop";
    }
    if (!first)
      continue;
    for (const LoopUse &use : values) {
      const Cut *cut = find(use.value);
      if (!cut || cut->dim != use.dim)
        return op->emitOpError(use.what) << " is whole where " << first->what << " is cut at "
                                         << find(first->value)->text() << " along the same loop";
    }
  }
  return success();
}

std::string CutAnalysis::causeOf(Operation *op) const {
  if (isa<EmbedOp>(op))
    return "the vocabulary of " + nameOf(op) + " is cut";
  if (isa<LogitsOp>(op))
    return "the vocabulary of " + nameOf(op) + " is cut";
  return "the columns of " + nameOf(op) + " are cut";
}
