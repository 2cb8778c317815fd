//===- ShardStrategy.cpp - Which weights are cut, and where ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/CutAnalysis.h"
#include "passes/shard/Explain.h"
#include "passes/shard/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardDialect.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_SHARDSTRATEGYPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "ShardStrategy";

/// Channels of a panel, and the columns that one scale of a quantised row covers.
constexpr int64_t kPanel = ::tenon::kPanelChannels, kGroup = 32;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Columns that a product may be cut between when parts are added up: whole groups of the weights'
/// scales, too.
int64_t columnGranule(Value weight) {
  const ::tenon::FormatInfo info = ::tenon::formatInfo(weightFormat(typeOf(weight)));
  return std::max<int64_t>({kGroup, info.kMultiple, info.group});
}

/// The product behind heads: split_heads, norm per head and rotation in any order.
LinearOp productOfHeads(Value value) {
  while (Operation *def = value.getDefiningOp()) {
    if (auto linear = dyn_cast<LinearOp>(def))
      return linear;
    if (!isa<SplitHeadsOp, RmsNormOp, RopeOp, ScaleOp>(def))
      break;
    value = def->getOperand(0);
  }
  return {};
}

/// The one product that reads `value`, through merged heads.
LinearOp productReading(Value value) {
  while (value.hasOneUse()) {
    Operation *user = *value.user_begin();
    if (auto linear = dyn_cast<LinearOp>(user))
      return linear;
    if (!isa<MergeHeadsOp>(user))
      break;
    value = user->getResult(0);
  }
  return {};
}

/// Edges of query heads between KV heads, or within the groups of those that several chips share.
/// `chips` is at most `heads`.
SmallVector<int64_t> wholeGroups(int64_t heads, int64_t kvHeads, int64_t chips) {
  const int64_t group = heads / kvHeads;
  if (auto offsets = evenOffsets(kvHeads, 1, chips)) {
    for (int64_t &offset : *offsets)
      offset *= group;
    return *offsets;
  }
  SmallVector<int64_t> offsets = {0};
  const SmallVector<int64_t> sharers = *evenOffsets(chips, 1, kvHeads);
  for (int64_t kv = 0; kv < kvHeads; ++kv)
    for (int64_t offset :
         ArrayRef(*evenOffsets(group, 1, sharers[kv + 1] - sharers[kv])).drop_front())
      offsets.push_back(kv * group + offset);
  return offsets;
}

/// The attention of the chip that has the most of it, in the units of the CPU kernels' own sharing
/// of a decode's work: the keys and values of a head take 3, a query 2.
int64_t mostAttention(ArrayRef<int64_t> offsets, int64_t heads, int64_t kvHeads) {
  int64_t most = 0;
  for (auto [begin, end] : llvm::zip(offsets.drop_back(), offsets.drop_front()))
    most = std::max(most,
                    2 * (end - begin) + 3 * readsOf({begin, end - begin}, heads, kvHeads).kv.size);
  return most;
}

/// Where query heads may be cut, best first; none if there are fewer heads than chips.
SmallVector<SmallVector<int64_t>> headOffsets(int64_t heads, int64_t kvHeads, int64_t chips) {
  if (chips > heads)
    return {};
  SmallVector<int64_t> groups = wholeGroups(heads, kvHeads, chips),
                       even = *evenOffsets(heads, 1, chips);
  if (mostAttention(even, heads, kvHeads) < mostAttention(groups, heads, kvHeads))
    return {even, groups};
  return {groups};
}

struct ShardStrategyPass : mlir::tenon::impl::ShardStrategyPassBase<ShardStrategyPass> {
  using ShardStrategyPassBase::ShardStrategyPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (tensor < 1 || pipeline < 1 || tensor > 1024 || pipeline > 1024) {
      module.emitError() << "a grid of " << pipeline << " stages of " << tensor
                         << " chips is wanted; each is 1 to 1024";
      return signalPassFailure();
    }
    layOutGrid(module);
    if (tensor == 1)
      return;
    bool ok = true;
    module.walk([&](AttentionOp attention) { ok &= succeeded(cutAttention(attention)); });
    module.walk([&](GateOp gate) { cutFeedForward(gate); });
    cutVocabulary(module);
    if (!ok)
      signalPassFailure();
  }

private:
  void layOutGrid(ModuleOp module) {
    for (auto grid : llvm::make_early_inc_range(module.getOps<shard::GridOp>()))
      if (grid.getSymName() == kGridName)
        grid.erase();
    auto builder = OpBuilder::atBlockBegin(module.getBody());
    shard::GridOp::create(builder, module.getLoc(), kGridName,
                          ArrayRef<int64_t>{int64_t(pipeline), int64_t(tensor)});
  }

  /// Annotates a weight of a product, unless somebody else has.
  static void cutWeight(Value weight, unsigned dim, ArrayRef<int64_t> offsets) {
    if (weight.getDefiningOp<shard::ShardOp>())
      return;
    for (Operation *user : weight.getUsers())
      if (isa<shard::ShardOp>(user))
        return;
    OpBuilder builder(weight.getContext());
    builder.setInsertionPointAfterValue(weight);
    Value cut = annotate(builder, weight.getLoc(), weight, Cut::between(dim, offsets));
    weight.replaceAllUsesExcept(cut, cut.getDefiningOp());
  }

  static SmallVector<int64_t> times(ArrayRef<int64_t> offsets, int64_t factor) {
    return llvm::map_to_vector(offsets, [&](int64_t offset) { return offset * factor; });
  }

  LogicalResult cutAttention(AttentionOp attention) {
    const int64_t heads = typeOf(attention.getQuery()).getDimSize(1);
    const int64_t headDim = typeOf(attention.getQuery()).getDimSize(2);
    const int64_t kvHeads = typeOf(attention.getKey()).getDimSize(1);
    LinearOp query = productOfHeads(attention.getQuery()), key = productOfHeads(attention.getKey()),
             value = productOfHeads(attention.getValue()),
             output = productReading(attention.getResult());
    if (!query || !key || !value || !output) {
      explainWhole(attention, kPass,
                   "attention is whole on every chip: it does not stand between "
                   "products of query, key, value and output");
      return success();
    }
    SmallVector<SmallVector<int64_t>> choices = headOffsets(heads, kvHeads, tensor);
    if (choices.empty())
      return attention.emitOpError("has ")
             << heads << " heads, and " << int64_t(tensor)
             << " chips are to share them; use tp=" << heads << " or less, and more stages (pp)";
    const int64_t granule = columnGranule(output.getWeight());
    const auto misplaced = [&](ArrayRef<int64_t> offsets) {
      return llvm::find_if(offsets, [&](int64_t offset) { return offset * headDim % granule; });
    };
    const auto *chosen = llvm::find_if(
        choices, [&](ArrayRef<int64_t> offsets) { return misplaced(offsets) == offsets.end(); });
    if (chosen == choices.end()) {
      const int64_t head = *misplaced(choices.back());
      explainWhole(attention, kPass,
                   "attention is whole on every chip: head " + Twine(head) + " begins at column " +
                       Twine(head * headDim) +
                       " of the output product, whose weight is cut between groups of " +
                       Twine(granule));
      return success();
    }
    ArrayRef<int64_t> offsets = *chosen;
    cutWeight(query.getWeight(), 0, times(offsets, headDim));
    Cut reads;
    for (auto [begin, end] : llvm::zip(offsets.drop_back(), offsets.drop_front()))
      reads.parts.push_back(readsOf({begin, end - begin}, heads, kvHeads).kv);
    std::string copies;
    if (reads.isContiguous()) {
      cutWeight(key.getWeight(), 0, times(reads.offsets(), headDim));
      cutWeight(value.getWeight(), 0, times(reads.offsets(), headDim));
    } else {
      copies = "; KV heads " + reads.text() + ", kept by every chip that reads them";
    }
    explainCut(attention, kPass, "query heads at " + Cut::between(0, offsets).text() + copies);
    return success();
  }

  void cutFeedForward(GateOp gate) {
    auto first = gate.getGate().getDefiningOp<LinearOp>();
    auto second = gate.getUp().getDefiningOp<LinearOp>();
    LinearOp output = productReading(gate.getResult());
    if (!first || !second || !output)
      return explainWhole(gate, kPass,
                          "the feed-forward layer is whole on every chip: the gate does "
                          "not stand between products");
    const int64_t channels = typeOf(gate.getResult()).getDimSize(1);
    const int64_t granule = columnGranule(output.getWeight());
    std::optional<SmallVector<int64_t>> offsets;
    if (channels % granule == 0)
      offsets = evenOffsets(channels, granule, tensor);
    if (!offsets)
      return explainWhole(gate, kPass,
                          "the feed-forward layer is whole on every chip: " + Twine(channels) +
                              " channels are cut between groups of " + Twine(granule));
    cutWeight(first.getWeight(), 0, *offsets);
    cutWeight(second.getWeight(), 0, *offsets);
    explainCut(gate, kPass, "channels at " + Cut::between(0, *offsets).text());
  }

  void cutVocabulary(ModuleOp module) {
    // The embedding and the output matrix may be one weight, read by two ops.
    llvm::SmallVector<Operation *> readers;
    module.walk([&](Operation *op) {
      if (isa<EmbedOp, LogitsOp>(op))
        readers.push_back(op);
    });
    for (Operation *op : readers) {
      const int64_t rows = typeOf(op->getOperand(1)).getDimSize(0);
      auto offsets = evenOffsets(rows, kPanel, tensor);
      if (!offsets) {
        explainWhole(op, kPass,
                     "the vocabulary is whole on every chip: " + Twine(rows) +
                         " rows are cut between panels of 16");
        continue;
      }
      cutWeight(op->getOperand(1), 0, *offsets);
      explainCut(op, kPass, "vocabulary at " + Cut::between(0, *offsets).text());
    }
  }
};
} // namespace
