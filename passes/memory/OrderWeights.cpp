//===- OrderWeights.cpp - Weights in order of use -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/Passes.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_ORDERWEIGHTSPASS
#include "passes/memory/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kPage = 4096;
/// From this size on a weight begins on a page: what is lost is at most a sixteenth, on average far less.
constexpr uint64_t kPageAlignedFrom = 64 * 1024;

/// Names of the weights that a step reads, by first use.
llvm::SetVector<StringAttr> orderOfUse(EngineOp engine) {
  llvm::DenseMap<StringAttr, FunctionOp> functions;
  for (FunctionOp function : engine.getOps<FunctionOp>())
    functions[function.getSymNameAttr()] = function;
  llvm::SetVector<StringAttr> order;
  for (CallOp call : engine.getOps<CallOp>())
    for (LaunchOp launch : functions[call.getFunctionAttr().getAttr()].getBody().getOps<LaunchOp>())
      for (auto arg : launch.getArgs().getAsRange<ArgAttr>()) {
        if (arg.getKind() == ArgKind::Weight)
          order.insert(arg.getSymbol().getAttr());
        if (arg.getKind() == ArgKind::LayerWeight)
          order.insert(cast<FlatSymbolRefAttr>(call.getWeights()[arg.getIndex()]).getAttr());
      }
  return order;
}

struct OrderWeightsPass : mlir::tenon::impl::OrderWeightsPassBase<OrderWeightsPass> {
  void runOnOperation() override {
    EngineOp engine = getOperation();
    llvm::DenseMap<StringAttr, WeightOp> weights;
    Operation *before = nullptr;
    for (WeightOp weight : engine.getOps<WeightOp>()) {
      weights[weight.getSymNameAttr()] = weight;
      before = weight;
    }
    Operation *last = before;
    uint64_t end = 0;
    for (StringAttr name : orderOfUse(engine)) {
      WeightOp weight = weights[name];
      weights.erase(name);
      end = llvm::alignTo(end, weight.getSize() >= kPageAlignedFrom ? kPage : kAlignment);
      weight.setOffset(end);
      end += weight.getSize();
      if (weight != last)
        weight->moveAfter(last);
      last = weight;
    }
    for (auto [name, weight] : weights) {
      // A call may hand over a weight that its function never reads; then it stays, at the end.
      if (!SymbolTable::symbolKnownUseEmpty(weight, &engine.getBody())) {
        end = llvm::alignTo(end, kAlignment);
        weight.setOffset(end);
        end += weight.getSize();
      } else {
        weight->erase();
      }
    }
    for (ChipOp chip : engine.getOps<ChipOp>())
      chip.setWeightsBytes(llvm::alignTo(end, kAlignment));
  }
};
} // namespace
