//===- DedupKernels.cpp - One kernel for each spec ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_DEDUPKERNELSPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
struct DedupKernelsPass : mlir::tenon::impl::DedupKernelsPassBase<DedupKernelsPass> {
  void runOnOperation() override {
    EngineOp engine = getOperation();
    llvm::DenseMap<StringAttr, KernelOp> byName;
    for (KernelOp kernel : engine.getOps<KernelOp>())
      byName[kernel.getSymNameAttr()] = kernel;

    // The first kernel of each spec in order of launch; attributes are unique, so equal means the
    // same.
    llvm::MapVector<std::pair<Attribute, Attribute>, KernelOp> kept;
    SmallVector<std::pair<LaunchOp, KernelOp>> uses;
    engine.walk([&](LaunchOp launch) {
      KernelOp kernel = byName[launch.getKernelAttr().getAttr()];
      KernelOp &first = kept[{kernel.getKindAttr(), kernel.getSpecAttr()}];
      if (!first)
        first = kernel;
      first.setScratchBytes(std::max(first.getScratchBytes(), kernel.getScratchBytes()));
      uses.push_back({launch, first});
    });

    Operation *last = nullptr;
    for (auto &[name, kernel] : byName)
      if (!kept.contains({kernel.getKindAttr(), kernel.getSpecAttr()}) ||
          kept[{kernel.getKindAttr(), kernel.getSpecAttr()}] != kernel)
        kernel->erase();
    size_t number = 0;
    for (auto &[spec, kernel] : kept) {
      if (last)
        kernel->moveAfter(last);
      last = kernel;
      kernel.setSymName(("k" + Twine(number++) + "_" + kernel.getKind()).str());
    }
    for (auto [launch, kernel] : uses)
      launch.setKernelAttr(FlatSymbolRefAttr::get(kernel.getSymNameAttr()));
  }
};
} // namespace
