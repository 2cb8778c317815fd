//===- FuseNormQuantize.cpp - Norm, quantisation and row selection --------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSENORMQUANTIZEPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FuseNormQuantize";

struct FuseNormQuantizePass : mlir::tenon::impl::FuseNormQuantizePassBase<FuseNormQuantizePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<RmsNormOp> norms(getOperation().getOps<RmsNormOp>());
    for (RmsNormOp norm : norms) {
      // Norms per head belong to FuseQkv.
      if (norm.getType().getRank() != 2)
        continue;
      SmallVector<Operation *> ops = {norm};
      if (auto select = norm.getInput().getDefiningOp<SelectRowsOp>()) {
        if (select->hasOneUse() || select.getKept())
          ops.push_back(select);
        else
          explainRejected(select, kPass, "the selected rows have another reader than the norm");
      }
      if (auto quantize = onlyReader<QuantizeRowsOp>(norm.getResult()))
        ops.push_back(quantize);
      else if (llvm::any_of(norm->getUsers(), llvm::IsaPred<QuantizeRowsOp>))
        explainRejected(norm, kPass, "the normed rows are read both dense and quantised");
      std::string why;
      FailureOr<FusedOp> region =
          outline(rewriter, stringifyLaunchKind(LaunchKind::NormQuant), ops, why);
      if (failed(region))
        explainRejected(norm, kPass, why);
      else if (ops.size() > 1)
        explainFused(*region, kPass);
      else
        explainKept(*region, kPass);
    }
  }
};
} // namespace
