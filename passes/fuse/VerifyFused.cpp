//===- VerifyFused.cpp - Only launches are left ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

#include "mlir/IR/SymbolTable.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_VERIFYFUSEDPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct VerifyFusedPass : mlir::tenon::impl::VerifyFusedPassBase<VerifyFusedPass> {
  void runOnOperation() override {
    bool ok = true;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration())
        ok &= verifyBody(function);
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration())
        for (auto call : function.getOps<func::CallOp>())
          ok &= verifyCall(call);
    if (!ok)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  bool verifyBody(func::FuncOp function) {
    if (!function.getBody().hasOneBlock()) {
      function.emitError() << "a step and its layers are straight lines of launches; found "
                           << function.getBody().getBlocks().size() << " blocks";
      return false;
    }
    bool ok = true;
    for (Operation &op : function.getOps()) {
      if (isa<ParamOp, KvLayerOp, func::CallOp, func::ReturnOp>(op))
        continue;
      if (auto region = dyn_cast<FusedOp>(op)) {
        ok &= verifyRegion(region, function);
        continue;
      }
      op.emitError() << op.getName() << " was not fused, and no kernel computes it alone";
      ok = false;
    }
    return ok;
  }

  bool verifyRegion(FusedOp region, func::FuncOp function) {
    std::string why;
    FailureOr<LaunchForm> form = matchLaunch(region, why);
    if (failed(form)) {
      region.emitError() << "fused region \"" << region.getKind() << "\" " << why;
      return false;
    }
    if (!form->residual)
      return true;
    Value residual = region.getCaptured(cast<BlockArgument>(form->residual));
    if (!mayUpdateInPlace(residual, region, why)) {
      region.emitError() << "fused region \"" << region.getKind() << "\": " << why;
      return false;
    }
    if (auto argument = dyn_cast<BlockArgument>(residual))
      updated[function.getSymName()].push_back(argument.getArgNumber());
    return true;
  }

  /// What a callee updates in place is not read after the call.
  bool verifyCall(func::CallOp call) {
    bool ok = true;
    for (unsigned argument : updated.lookup(call.getCallee())) {
      std::string why;
      if (mayUpdateInPlace(call.getOperand(argument), call, why))
        continue;
      call.emitError() << "argument " << argument << " of @" << call.getCallee()
                       << " is updated in place: " << why;
      ok = false;
    }
    return ok;
  }

  /// Arguments that a function's regions write over, by function.
  llvm::StringMap<SmallVector<unsigned>> updated;
};
} // namespace
