//===- FuseGate.cpp - Gate and up products with their activation ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSEGATEPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FuseGate";

struct FuseGatePass : mlir::tenon::impl::FuseGatePassBase<FuseGatePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<GateOp> gates(getOperation().getOps<GateOp>());
    for (GateOp gate : gates) {
      std::string why;
      if (failed(fuse(rewriter, gate, why)))
        explainRejected(gate, kPass, why);
    }
  }

  static LogicalResult fuse(IRRewriter &rewriter, GateOp gate, std::string &why) {
    auto reject = [&](const Twine &message) {
      why = message.str();
      return failure();
    };
    auto first = gate.getGate().getDefiningOp<LinearOp>();
    auto second = gate.getUp().getDefiningOp<LinearOp>();
    if (!first || !second)
      return reject("gate and up are not two products");
    if (first == second || !first->hasOneUse() || !second->hasOneUse())
      return reject("gate or up has another reader");
    if (first.getInput() != second.getInput())
      return reject("gate and up read different inputs");

    SmallVector<Operation *> ops = {first, second, gate};
    if (auto quantize = onlyReader<QuantizeRowsOp>(gate.getResult()))
      ops.push_back(quantize);
    FailureOr<FusedOp> region =
        outline(rewriter, stringifyLaunchKind(LaunchKind::LinearGate), ops, why);
    if (failed(region))
      return failure();
    explainFused(*region, kPass);
    return success();
  }
};
} // namespace
