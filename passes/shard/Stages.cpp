//===- Stages.cpp - Layers by pipeline stage ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Stages.h"

#include "dialects/tenon/TenonOps.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace mlir::tenon;

/// Positions that a row attends to, where it is weighed: attention then counts as in prompts and
/// answers of some hundred tokens.
static constexpr uint64_t kContext = 512;

/// Multiply-accumulates of the ops within `scope` for a row of a prompt, and for a generated one.
static StageLoad loadOf(Operation *scope) {
  StageLoad load;
  scope->walk([&](CostOpInterface op) {
    const Cost cost = op.getCost();
    load.prompt += double(cost.macs(1, 0, kContext));
    load.generated += double(cost.macs(1, 1, kContext));
  });
  return load;
}

SmallVector<size_t> mlir::tenon::balancedEnds(ArrayRef<StageLoad> loads, size_t parts) {
  const size_t count = loads.size();
  SmallVector<StageLoad> before = {{}};
  for (const StageLoad &load : loads)
    before.push_back(
        {before.back().prompt + load.prompt, before.back().generated + load.generated});
  const auto weight = [&](size_t begin, size_t end) {
    return std::max(before[end].prompt - before[begin].prompt,
                    before[end].generated - before[begin].generated);
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  constexpr double kRounding = 1e-9; // Sums of equal layers differ by that much and are equal.
  // best[p][n]: the heaviest of p ranges over the first n elements; cut[p][n]: where the last
  // begins.
  std::vector<std::vector<double>> best(parts + 1, std::vector<double>(count + 1, kNever));
  std::vector<std::vector<size_t>> cut(parts + 1, std::vector<size_t>(count + 1, 0));
  best[0][0] = 0;
  for (size_t p = 1; p <= parts; ++p)
    for (size_t n = p; n <= count; ++n)
      for (size_t begin = p - 1; begin < n; ++begin) {
        const double heaviest = std::max(best[p - 1][begin], weight(begin, n));
        if (heaviest < best[p][n] - kRounding || (best[p][n] == kNever && heaviest < kNever)) {
          best[p][n] = heaviest;
          cut[p][n] = begin;
        }
      }
  SmallVector<size_t> ends(parts);
  for (size_t p = parts, n = count; p > 0; n = cut[p--][n])
    ends[p - 1] = n;
  return ends;
}

FailureOr<Stages> Stages::compute(func::FuncOp step, int64_t stages) {
  SmallVector<func::CallOp> calls(step.getOps<func::CallOp>());
  if (static_cast<int64_t>(calls.size()) < stages)
    return step.emitOpError("has ")
           << calls.size() << " layers, and " << stages
           << " stages are to share them; use pp=" << calls.size() << " or less";
  if (calls.empty())
    return step.emitOpError("calls no layer");
  SmallVector<StageLoad> loads;
  for (func::CallOp call : calls)
    loads.push_back(loadOf(SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr())));
  for (Operation *op = calls.back()->getNextNode(); op; op = op->getNextNode()) {
    const StageLoad after = loadOf(op);
    loads.back().prompt += after.prompt;
    loads.back().generated += after.generated;
  }
  StageLoad whole;
  for (const StageLoad &load : loads) {
    whole.prompt += load.prompt;
    whole.generated += load.generated;
  }
  for (StageLoad &load : loads) // Of layers that compute nothing each counts the same.
    load = whole.prompt == 0
               ? StageLoad{1, 1}
               : StageLoad{load.prompt / whole.prompt, load.generated / whole.generated};

  Stages result;
  size_t begin = 0;
  for (size_t end : balancedEnds(loads, stages)) {
    result.byStage.emplace_back(ArrayRef(calls).slice(begin, end - begin));
    for (func::CallOp call : result.byStage.back())
      result.stageOf[call] = result.byStage.size() - 1;
    begin = end;
  }
  return result;
}

uint32_t Stages::firstLayer(size_t stage) const {
  uint32_t first = 0;
  for (size_t before = 0; before < stage; ++before)
    first += byStage[before].size();
  return first;
}
