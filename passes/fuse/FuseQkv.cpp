//===- FuseQkv.cpp - Query, key and value up to the KV write --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSEQKVPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FuseQkv";

/// One of query, key and value, from its product to what the cache or attention reads.
struct HeadChain {
  SmallVector<Operation *, 5> ops; ///< From last to first.
  RmsNormOp norm;
  RopeOp rope;
  LinearOp linear;

  /// Walks up from `value` through [scale] [rope] [norm] split_heads linear. Values in between have
  /// no other reader; `value` itself may (the caller checks that).
  LogicalResult collect(Value value, std::string &why) {
    while (Operation *def = value.getDefiningOp()) {
      if (!ops.empty() && !value.hasOneUse()) {
        why = (def->getName().getStringRef() + " has another reader").str();
        return failure();
      }
      if (!isa<ScaleOp, RopeOp, RmsNormOp, SplitHeadsOp, LinearOp>(def))
        break;
      ops.push_back(def);
      if (auto found = dyn_cast<RopeOp>(def))
        rope = found;
      if (auto found = dyn_cast<RmsNormOp>(def))
        norm = found;
      linear = dyn_cast<LinearOp>(def);
      if (linear)
        return success();
      value = def->getOperand(0);
    }
    why = "heads do not come from a linear";
    return failure();
  }
};

struct FuseQkvPass : mlir::tenon::impl::FuseQkvPassBase<FuseQkvPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<KvAppendOp> appends(getOperation().getOps<KvAppendOp>());
    for (KvAppendOp append : appends) {
      std::string why;
      if (failed(fuse(rewriter, append, why)))
        explainRejected(append, kPass, why);
    }
  }

  static LogicalResult fuse(IRRewriter &rewriter, KvAppendOp append, std::string &why) {
    auto reject = [&](const Twine &message) {
      why = message.str();
      return failure();
    };
    auto attend = onlyReader<AttendOp>(append.getResult());
    if (!attend)
      return reject("the written cache is not read by one tenon.attend");
    if (!attend.getQuery().hasOneUse() || !append.getKey().hasOneUse() ||
        !append.getValue().hasOneUse())
      return reject("query, key or value has another reader");
    HeadChain query, key, value;
    if (failed(query.collect(attend.getQuery(), why)) ||
        failed(key.collect(append.getKey(), why)) || failed(value.collect(append.getValue(), why)))
      return failure();
    if (query.linear.getInput() != key.linear.getInput() ||
        query.linear.getInput() != value.linear.getInput())
      return reject("query, key and value read different inputs");
    if (!query.rope || !key.rope || value.rope)
      return reject("query and key are to be rotated and the value not");
    if (query.rope.getTable() != key.rope.getTable())
      return reject("query and key are rotated by different tables");
    if (!query.norm != !key.norm || value.norm ||
        (query.norm && query.norm.getEps() != key.norm.getEps()))
      return reject("query and key are normed differently, or the value is normed");

    SmallVector<Operation *> ops(query.ops.begin(), query.ops.end());
    ops.append(key.ops.begin(), key.ops.end());
    ops.append(value.ops.begin(), value.ops.end());
    ops.push_back(append);
    FailureOr<FusedOp> region =
        outline(rewriter, stringifyLaunchKind(LaunchKind::LinearQkv), ops, why);
    if (failed(region))
      return failure();
    explainFused(*region, kPass);
    return success();
  }
};
} // namespace
