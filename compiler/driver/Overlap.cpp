//===- Overlap.cpp - Collectives beside which chips compute ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Overlap.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <algorithm>

namespace tenon::compiler {

using namespace mlir::plan;

/// Of the step. Less is within what the model of a chip is wrong by, and a plan without is simpler.
static constexpr double kLeastGain = 0.001;
static constexpr uint32_t kMostRows = 2048, kUsualRows = 512;
static constexpr uint32_t kBlocks[] = {16, 32, 64, 128, 256};

double exposedSeconds(CollectiveOp op, const StepShape &step, uint32_t chips, double alone,
                      double beside,
                      llvm::function_ref<double(LaunchOp, const StepShape &)> seconds) {
  if (!op.getOverlap() || !step.sharesRows || step.tokens < *op.getOverlap())
    return alone;
  LaunchOp product = op.getProduct();
  // Each chip's rows are cut into blocks of their own.
  const uint64_t rowsOfChip = (step.tokens + chips - 1) / chips;
  const uint64_t blocks = chips * ((rowsOfChip + *op.getBlocks() - 1) / *op.getBlocks());
  StepShape block = step;
  block.tokens = std::min<uint64_t>(*op.getBlocks(), rowsOfChip);
  const double inBlocks = double(blocks) * seconds(product, block);
  return inBlocks - seconds(product, step) + (1 - beside) * alone +
         std::max(0.0, beside * alone - inBlocks * double(blocks - 1) / double(blocks));
}

/// One collective as each program has it whose chips meet in it.
using Meeting = llvm::SmallVector<CollectiveOp, 2>;

/// Collectives of own rows that stand beside a product, stage by stage in the order of the plan.
static std::vector<Meeting> candidates(EngineOp plan) {
  const uint32_t tensor = plan.getGrid().back();
  std::vector<Meeting> all;
  for (ChipOp first : plan.getOps<ChipOp>()) {
    if (first.getId() % tensor)
      continue;
    llvm::SmallSetVector<uint32_t, 4> programs; // Of the stage.
    for (ChipOp chip : plan.getOps<ChipOp>())
      if (chip.getId() / tensor == first.getId() / tensor)
        programs.insert(chip.getProgramNumber());
    std::vector<Meeting> meetings;
    for (uint32_t program : programs) {
      size_t number = 0; // Programs of a stage have the same collectives in the same order.
      for (FunctionOp function : plan.getOps<FunctionOp>()) {
        if (plan.getProgramOf(function) != program)
          continue;
        for (CollectiveOp op : function.getBody().getOps<CollectiveOp>()) {
          if (!op.getOwnRows() || !op.getProduct())
            continue;
          if (number == meetings.size())
            meetings.emplace_back();
          meetings[number++].push_back(op);
        }
      }
    }
    for (Meeting &meeting : meetings)
      if (meeting.size() == programs.size())
        all.push_back(std::move(meeting));
  }
  return all;
}

static void mark(const Meeting &meeting, uint64_t from, uint64_t block) {
  for (CollectiveOp op : meeting) {
    mlir::Builder builder(op.getContext());
    op.setOverlapAttr(from ? builder.getI64IntegerAttr(from) : mlir::IntegerAttr());
    op.setBlocksAttr(from ? builder.getI64IntegerAttr(block) : mlir::IntegerAttr());
  }
}

void overlapWhereItPays(EngineOp plan, const ChipsFile &chips) {
  if (llvm::none_of(chips.links, [](const Link &link) { return link.overlap > 0; }))
    return;
  const auto step = [&](uint32_t rows) {
    return predictStep(plan, chips, promptStep(0, rows)).seconds();
  };
  llvm::SmallPtrSet<mlir::Operation *, 8> taken; // Products that overlap with a collective.
  for (const Meeting &meeting : candidates(plan)) {
    const auto own = static_cast<uint32_t>(*CollectiveOp(meeting.front()).getOwnRows());
    if (taken.contains(CollectiveOp(meeting.front()).getProduct()))
      continue;
    const uint32_t usual = std::max(kUsualRows, own);
    uint32_t best = 0;
    double least = (1 - kLeastGain) * step(usual);
    for (uint32_t block : kBlocks) {
      mark(meeting, own, block);
      if (const double seconds = step(usual); seconds < least) {
        least = seconds;
        best = block;
      }
    }
    mark(meeting, 0, 0);
    uint32_t from = 0;
    for (uint32_t rows = std::max(kMostRows, own); best && rows >= own; rows /= 2) {
      mark(meeting, 0, 0);
      const double without = step(rows);
      mark(meeting, own, best);
      if (step(rows) > (1 - kLeastGain) * without)
        break;
      from = rows;
    }
    mark(meeting, from, best);
    if (from)
      taken.insert(CollectiveOp(meeting.front()).getProduct());
  }
}

} // namespace tenon::compiler
