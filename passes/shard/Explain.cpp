//===- Explain.cpp - What the shard stage did and why ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Explain.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

static remark::RemarkOpts options(Operation *op, StringRef pass) {
  auto function = op->getParentOfType<func::FuncOp>();
  return remark::RemarkOpts::name(pass).category("shard").function(function ? function.getSymName()
                                                                            : StringRef());
}

void mlir::tenon::explainCut(Operation *op, StringRef pass, const Twine &text) {
  remark::passed(op->getLoc(), options(op, pass))
      << remark::detail::LazyTextBuild{"Cut", [&] { return text.str(); }};
}

void mlir::tenon::explainWhole(Operation *op, StringRef pass, const Twine &text) {
  remark::missed(op->getLoc(), options(op, pass))
      << remark::detail::LazyTextBuild{"Whole", [&] { return text.str(); }};
}
