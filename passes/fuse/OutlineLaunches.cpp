//===- OutlineLaunches.cpp - A region for every op that stayed alone ------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_OUTLINELAUNCHESPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

/// The kernel that computes `op` alone, if there is one.
static std::optional<LaunchKind> kindAlone(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LaunchKind>>(op)
      .Case([](EmbedOp) { return LaunchKind::Embed; })
      .Case([](RopeTableOp) { return LaunchKind::RopeTable; })
      .Case([](QuantizeRowsOp) { return LaunchKind::Quantize; })
      .Case<LinearOp, LogitsOp>([](auto) { return LaunchKind::Linear; })
      .Case([](AllReduceOp) { return LaunchKind::AllReduce; })
      .Case([](GatherColumnsOp) { return LaunchKind::GatherColumns; })
      .Case([](SendOp) { return LaunchKind::Send; })
      .Case([](ReceiveOp) { return LaunchKind::Receive; })
      .Default(std::nullopt);
}

namespace {
struct OutlineLaunchesPass : mlir::tenon::impl::OutlineLaunchesPassBase<OutlineLaunchesPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    for (Operation &op : llvm::make_early_inc_range(getOperation().getOps())) {
      std::optional<LaunchKind> kind = kindAlone(&op);
      if (!kind)
        continue;
      std::string why; // One op is always convex.
      FailureOr<FusedOp> region = outline(rewriter, stringifyLaunchKind(*kind), &op, why);
      if (succeeded(region))
        explainKept(*region, "OutlineLaunches");
    }
  }
};
} // namespace
