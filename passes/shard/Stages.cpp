//===- Stages.cpp - Layers by pipeline stage ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Stages.h"

#include "dialects/tenon/TenonOps.h"
#include "runtime/engine/WeightFormat.h"

#include "mlir/Dialect/Shard/IR/ShardOps.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace mlir::tenon;

/// Bytes of the weights among the operands of an op.
static uint64_t weightBytes(Operation *op) {
  uint64_t bytes = 0;
  for (Value operand : op->getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()); type && type.hasStaticShape())
      bytes += type.getRank() == 2 ? ::tenon::packedBytes(weightFormat(type), type.getDimSize(0),
                                                          type.getDimSize(1))
                                   : type.getNumElements() * sizeof(float);
  return bytes;
}

SmallVector<size_t> mlir::tenon::balancedEnds(ArrayRef<uint64_t> weights, size_t parts) {
  const size_t count = weights.size();
  SmallVector<uint64_t> before = {0};
  for (uint64_t weight : weights)
    before.push_back(before.back() + weight);
  // best[p][n]: the heaviest of p ranges over the first n elements; cut[p][n]: where the last begins.
  std::vector<std::vector<uint64_t>> best(
      parts + 1, std::vector<uint64_t>(count + 1, std::numeric_limits<uint64_t>::max()));
  std::vector<std::vector<size_t>> cut(parts + 1, std::vector<size_t>(count + 1, 0));
  best[0][0] = 0;
  for (size_t p = 1; p <= parts; ++p)
    for (size_t n = p; n <= count; ++n)
      for (size_t begin = p - 1; begin < n; ++begin) {
        if (best[p - 1][begin] == std::numeric_limits<uint64_t>::max())
          continue;
        const uint64_t heaviest = std::max(best[p - 1][begin], before[n] - before[begin]);
        if (heaviest < best[p][n]) {
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
    return step.emitOpError("has ") << calls.size() << " layers, and " << stages
                                    << " stages are to share them; use pp=" << calls.size()
                                    << " or less";
  SmallVector<uint64_t> weights;
  for (func::CallOp call : calls)
    weights.push_back(weightBytes(call));
  if (calls.empty())
    return step.emitOpError("calls no layer");
  for (Operation *op = calls.back()->getNextNode(); op; op = op->getNextNode())
    if (!isa<ParamOp, shard::ShardOp>(op))
      weights.back() += weightBytes(op);

  Stages result;
  size_t begin = 0;
  for (size_t end : balancedEnds(weights, stages)) {
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
