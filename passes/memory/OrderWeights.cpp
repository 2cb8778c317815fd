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
/// From this size on a weight begins on a page: what is lost is at most a sixteenth, on average far
/// less.
constexpr uint64_t kPageAlignedFrom = 64 * 1024;

/// Names of the weights that a step reads, by first use.
llvm::SetVector<StringAttr> orderOfUse(EngineOp engine, uint32_t program) {
  llvm::DenseMap<StringAttr, FunctionOp> functions;
  for (FunctionOp function : engine.getOps<FunctionOp>())
    functions[function.getSymNameAttr()] = function;
  llvm::SetVector<StringAttr> order;
  for (CallOp call : engine.getOps<CallOp>()) {
    if (call.getProgramNumber() != program)
      continue;
    for (LaunchOp launch : functions[call.getFunctionAttr().getAttr()].getBody().getOps<LaunchOp>())
      for (auto arg : launch.getArgs().getAsRange<ArgAttr>()) {
        if (arg.getKind() == ArgKind::Weight)
          order.insert(arg.getSymbol().getAttr());
        if (arg.getKind() == ArgKind::LayerWeight)
          order.insert(cast<FlatSymbolRefAttr>(call.getWeights()[arg.getIndex()]).getAttr());
      }
  }
  return order;
}

struct OrderWeightsPass : mlir::tenon::impl::OrderWeightsPassBase<OrderWeightsPass> {
  void runOnOperation() override {
    for (uint32_t program = 0; program < getOperation().getNumPrograms(); ++program)
      order(program);
  }

  void order(uint32_t program) {
    EngineOp engine = getOperation();
    storedEnd = madeEnd = 0;
    llvm::DenseMap<StringAttr, WeightOp> weights;
    Operation *before = nullptr;
    for (WeightOp weight : engine.getOps<WeightOp>())
      if (weight.getProgramNumber() == program) {
        weights[weight.getSymNameAttr()] = weight;
        before = weight;
      }
    Operation *last = before;
    for (StringAttr name : orderOfUse(engine, program)) {
      WeightOp weight = weights[name];
      weights.erase(name);
      place(weight);
      if (weight != last)
        weight->moveAfter(last);
      last = weight;
    }
    // What is left is not read. A call may still hand it over; then it stays, at the end.
    for (WeightOp weight : llvm::to_vector(engine.getOps<WeightOp>())) {
      if (!weights.contains(weight.getSymNameAttr()))
        continue;
      if (SymbolTable::symbolKnownUseEmpty(weight, &engine.getBody())) {
        weight->erase();
        continue;
      }
      place(weight);
      weight->moveAfter(last);
      last = weight;
    }
    for (ChipOp chip : engine.getOps<ChipOp>())
      if (chip.getProgramNumber() == program)
        chip.setWeightsBytes(llvm::alignTo(storedEnd, kAlignment));
  }

  void place(WeightOp weight) {
    uint64_t &end = weight.getSeed() ? madeEnd : storedEnd;
    end = llvm::alignTo(end, weight.getSize() >= kPageAlignedFrom ? kPage : kAlignment);
    weight.setOffset(end);
    end += weight.getSize();
  }

  uint64_t storedEnd = 0, madeEnd = 0; ///< The weights section, and what the runtime makes.
};
} // namespace
