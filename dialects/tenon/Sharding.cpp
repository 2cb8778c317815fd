//===- Sharding.cpp - Loops and indexing maps of the tenon ops ------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The rules that upstream's sharding propagation reads. A loop that cannot be cut without changing
// the op (the columns of a norm, the elements of a head that are rotated together) is a `generic`
// reduction; the columns of a product are a `sum`. Heads of queries and of keys are one loop: cut
// into n parts, query head h stays with KV head h * kvHeads / heads. Fusing happens after sharding,
// so a fused region says no more than that its rows are independent.
//

#include "dialects/tenon/TenonOps.h"

using namespace mlir;
using namespace mlir::tenon;
using utils::IteratorType;

namespace {
/// One rule, built from loop kinds and one list of loops for each operand and result.
struct Rule {
  SmallVector<IteratorType> iterators;
  SmallVector<ReductionKind> reductions;
  SmallVector<SmallVector<unsigned>> accesses;

  unsigned parallel() {
    iterators.push_back(IteratorType::parallel);
    return iterators.size() - 1;
  }
  unsigned reduction(ReductionKind kind) {
    iterators.push_back(IteratorType::reduction);
    reductions.push_back(kind);
    return iterators.size() - 1;
  }
  unsigned uncut() { return reduction(ReductionKind::Generic); }
  void access(ArrayRef<unsigned> loops) { accesses.emplace_back(loops); }

  SmallVector<AffineMap> maps(MLIRContext *context) const {
    SmallVector<AffineMap> result;
    for (ArrayRef<unsigned> loops : accesses) {
      SmallVector<AffineExpr> exprs;
      for (unsigned loop : loops)
        exprs.push_back(getAffineDimExpr(loop, context));
      result.push_back(AffineMap::get(iterators.size(), 0, exprs, context));
    }
    return result;
  }
};
} // namespace

/// Every value is indexed by the same parallel loops, but for the last `uncut`.
static Rule elementwise(int64_t rank, unsigned values, bool lastUncut = false) {
  Rule rule;
  SmallVector<unsigned> loops;
  for (int64_t i = 0; i < rank; ++i)
    loops.push_back(lastUncut && i + 1 == rank ? rule.uncut() : rule.parallel());
  for (unsigned i = 0; i < values; ++i)
    rule.access(loops);
  return rule;
}

static Rule ruleOf(ParamOp op) { return elementwise(op.getType().getRank(), 1); }

static Rule ruleOf(KvLayerOp) { return {}; }

static Rule ruleOf(EmbedOp) {
  Rule rule;
  unsigned t = rule.parallel(), c = rule.parallel();
  // With the vocabulary cut, each part contributes the rows it has and zeros for the others.
  unsigned v = rule.reduction(ReductionKind::Sum);
  rule.access({t});
  rule.access({v, c});
  rule.access({t, c});
  return rule;
}

static Rule ruleOf(SelectRowsOp) {
  Rule rule;
  unsigned s = rule.parallel(), c = rule.parallel(), t = rule.uncut();
  rule.access({t, c});
  rule.access({s});
  rule.access({s, c});
  return rule;
}

static Rule ruleOf(RmsNormOp op) {
  Rule rule;
  SmallVector<unsigned> loops;
  for (int64_t i = 0; i + 1 < op.getType().getRank(); ++i)
    loops.push_back(rule.parallel());
  loops.push_back(rule.uncut());
  rule.access(loops);
  rule.access(loops.back());
  rule.access(loops);
  return rule;
}

static Rule productRule(ReductionKind columns) {
  Rule rule;
  unsigned t = rule.parallel(), n = rule.parallel(), k = rule.reduction(columns);
  rule.access({t, k});
  rule.access({n, k});
  rule.access({t, n});
  return rule;
}

static Rule ruleOf(LinearOp) { return productRule(ReductionKind::Sum); }

static Rule ruleOf(LogitsOp op) {
  // The cap is not linear: partial sums cannot be added after it.
  return productRule(op.getSoftcap().isZero() ? ReductionKind::Sum : ReductionKind::Generic);
}

static Rule ruleOf(GateOp) { return elementwise(2, 3); }
static Rule ruleOf(AddOp) { return elementwise(2, 3); }
static Rule ruleOf(ScaleOp op) { return elementwise(op.getType().getRank(), 2); }
// Parts have to be multiples of a group; the type of the part checks that.
static Rule ruleOf(QuantizeRowsOp) { return elementwise(2, 2); }

static Rule ruleOf(RoundRowsOp) { return elementwise(2, 2); }

static Rule ruleOf(SplitHeadsOp) {
  Rule rule;
  unsigned t = rule.parallel(), h = rule.parallel(), d = rule.uncut();
  rule.access({t, h});
  rule.access({t, h, d});
  return rule;
}

static Rule ruleOf(MergeHeadsOp) {
  Rule rule;
  unsigned t = rule.parallel(), h = rule.parallel(), d = rule.uncut();
  rule.access({t, h, d});
  rule.access({t, h});
  return rule;
}

static Rule ruleOf(RopeTableOp) {
  Rule rule;
  unsigned t = rule.parallel(), half = rule.uncut(), part = rule.uncut();
  rule.access({t});
  rule.access({half});
  rule.access({t, part, half});
  return rule;
}

static Rule ruleOf(RopeOp) {
  Rule rule;
  unsigned t = rule.parallel(), h = rule.parallel(), d = rule.uncut();
  unsigned part = rule.uncut(), half = rule.uncut();
  rule.access({t, h, d});
  rule.access({t, part, half});
  rule.access({t, h, d});
  return rule;
}

/// `tensors` tensors [rows, heads, headDim] around a KV handle, which has no dimensions.
static Rule attentionRule(unsigned tensorsBefore, unsigned tensorsAfter) {
  Rule rule;
  unsigned t = rule.parallel(), h = rule.parallel(), d = rule.uncut();
  for (unsigned i = 0; i < tensorsBefore; ++i)
    rule.access({t, h, d});
  rule.access({});
  for (unsigned i = 0; i < tensorsAfter; ++i)
    rule.access({t, h, d});
  return rule;
}

static Rule ruleOf(AttentionOp) { return attentionRule(3, 1); }
static Rule ruleOf(AttendOp) { return attentionRule(1, 1); }

static Rule ruleOf(KvAppendOp) {
  Rule rule = attentionRule(2, 0);
  rule.access({}); // the handle it returns
  return rule;
}

static Rule ruleOf(AllReduceOp op) { return elementwise(op.getType().getRank(), 2); }
static Rule ruleOf(ReceiveOp) {
  Rule rule;
  unsigned t = rule.parallel(), c = rule.uncut();
  rule.access({t});
  rule.access({t, c});
  return rule;
}
static Rule ruleOf(SendOp) { return elementwise(2, 1, /*lastUncut=*/true); }

static Rule ruleOf(GatherColumnsOp) {
  Rule rule;
  unsigned t = rule.parallel(), part = rule.uncut(), whole = rule.uncut();
  rule.access({t, part});
  rule.access({t, whole});
  return rule;
}

static Rule ruleOf(FusedOp op) {
  Rule rule;
  const unsigned t = rule.parallel();
  auto add = [&](Type type) {
    SmallVector<unsigned> loops;
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      for (int64_t i = 0; i < tensor.getRank(); ++i)
        loops.push_back(i == 0 && tensor.isDynamicDim(0) ? t : rule.uncut());
    rule.access(loops);
  };
  llvm::for_each(op->getOperandTypes(), add);
  llvm::for_each(op->getResultTypes(), add);
  return rule;
}

#define TENON_SHARDING(OP)                                                                         \
  SmallVector<IteratorType> OP::getLoopIteratorTypes() { return ruleOf(*this).iterators; }         \
  SmallVector<ReductionKind> OP::getReductionLoopIteratorKinds() {                                 \
    return ruleOf(*this).reductions;                                                               \
  }                                                                                                \
  SmallVector<AffineMap> OP::getIndexingMaps() { return ruleOf(*this).maps(getContext()); }

TENON_SHARDING(ParamOp)
TENON_SHARDING(KvLayerOp)
TENON_SHARDING(EmbedOp)
TENON_SHARDING(SelectRowsOp)
TENON_SHARDING(RmsNormOp)
TENON_SHARDING(LinearOp)
TENON_SHARDING(LogitsOp)
TENON_SHARDING(GateOp)
TENON_SHARDING(AddOp)
TENON_SHARDING(ScaleOp)
TENON_SHARDING(QuantizeRowsOp)
TENON_SHARDING(RoundRowsOp)
TENON_SHARDING(SplitHeadsOp)
TENON_SHARDING(MergeHeadsOp)
TENON_SHARDING(RopeTableOp)
TENON_SHARDING(RopeOp)
TENON_SHARDING(AttentionOp)
TENON_SHARDING(AttendOp)
TENON_SHARDING(KvAppendOp)
TENON_SHARDING(AllReduceOp)
TENON_SHARDING(GatherColumnsOp)
TENON_SHARDING(ReceiveOp)
TENON_SHARDING(SendOp)
TENON_SHARDING(FusedOp)

#undef TENON_SHARDING
