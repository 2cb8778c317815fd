//===- SequenceParallel.cpp - From how many rows on chips share them ------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/SequenceParallel.h"

#include "compiler/driver/Prediction.h"

#include "mlir/IR/Builders.h"

namespace tenon::compiler {

using namespace mlir::plan;

/// Less is within what the model of a chip is wrong by, and a plan without is simpler.
static constexpr double kLeastGain = 0.01;
static constexpr uint32_t kMostRows = 2048;

uint32_t rowsThatPay(EngineOp plan, const ChipsFile &chips) {
  if (chips.links.empty())
    return 0;
  uint32_t from = 0;
  for (uint32_t rows = kMostRows; rows >= 2; rows = rows > 64 ? rows - 32 : rows / 2) {
    StepShape step = promptStep(0, rows);
    const double shared = predictStep(plan, chips, step).seconds();
    step.sharesRows = false;
    if (shared > (1 - kLeastGain) * predictStep(plan, chips, step).seconds())
      break;
    from = rows;
  }
  return from;
}

void shareRowsFrom(EngineOp plan, uint32_t from) {
  const mlir::IntegerAttr rows = mlir::Builder(plan.getContext()).getI64IntegerAttr(from);
  plan.walk([&](LaunchOp launch) {
    if (launch.getOwnRows())
      launch.setOwnRowsAttr(from ? rows : mlir::IntegerAttr());
  });
  plan.walk([&](CollectiveOp op) {
    if (from == 0 && op.getKind() == CollectiveKind::GatherRows)
      op.erase(); // In place: the buffer is whole without it.
    else if (op.getOwnRows())
      op.setOwnRowsAttr(from ? rows : mlir::IntegerAttr());
  });
}

} // namespace tenon::compiler
