//===- VerifyPlan.cpp - A plan is complete and safe to run ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/Passes.h"
#include "passes/memory/StepWalk.h"

#include "llvm/Support/MathExtras.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_VERIFYPLANPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
LogicalResult checkPlanned(EngineOp engine) {
  KvOp kv = engine.getKv();
  LimitsOp limits = engine.getLimits();
  if (kv.getBlockTokens() == 0)
    return kv.emitOpError("has no block geometry");
  if (limits.getMaxContext() == 0 || limits.getDefaultStepTokens() == 0 ||
      limits.getDefaultSequences() == 0)
    return limits.emitOpError("has limits that are not planned");
  const uint64_t needed =
      llvm::divideCeil(limits.getMaxContext(), kv.getBlockTokens()) * kv.getBytesPerBlock();
  if (limits.getDefaultKvBytes() < needed)
    return limits.emitOpError("kv_bytes is ")
           << limits.getDefaultKvBytes() << ", but one sequence of " << limits.getMaxContext()
           << " tokens takes " << needed;
  return success();
}

/// Data flow: written before read, and nothing overwritten that is still needed.
LogicalResult checkBuffers(EngineOp engine, const StepWalk &walk) {
  ArrayRef<BufferOp> buffers = walk.buffers();
  for (const StepLaunch &launch : walk.launches())
    for (const BufferAccess &access : launch.buffers)
      if (!access.outlivesStep && walk.workspaces().test(access.buffer)) {
        LaunchOp op = launch.op;
        return op.emitOpError("\"") << op.getName() << "\" uses @" << BufferOp(buffers[access.buffer]).getSymName()
                                   << " for rows, but it is a workspace of other launches";
      }
  llvm::BitVector unwritten = walk.liveBefore().front();
  unwritten.reset(walk.workspaces());
  for (unsigned buffer : unwritten.set_bits()) {
    if (buffer == walk.logits() && walk.launches().empty())
      return engine.emitOpError("has no launch that writes the logits");
    BufferOp op = buffers[buffer];
    return op.emitOpError("is read, but no earlier launch of the step writes it");
  }
  std::vector<llvm::BitVector> apart = walk.interference();
  for (unsigned a = 0; a < apart.size(); ++a)
    for (unsigned b : apart[a].set_bits())
      if (b > a && mayOverlap(buffers[a], buffers[b])) {
        BufferOp op = buffers[b], other = buffers[a];
        return op.emitOpError("shares bytes with @")
               << other.getSymName() << ", and both are needed at the same time";
      }
  return success();
}

LogicalResult checkBarriers(const StepWalk &walk) {
  ArrayRef<StepLaunch> launches = walk.launches();
  size_t sinceBarrier = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    LaunchOp launch = launches[i].op;
    if (launch.getBarrierBefore())
      sinceBarrier = i;
    for (size_t j = sinceBarrier; j < i; ++j)
      if (needsBarrier(launches[j], launches[i], walk.buffers())) {
        LaunchOp earlier = launches[j].op;
        return launch.emitOpError("\"")
               << launch.getName() << "\" needs a barrier after \"" << earlier.getName() << "\"";
      }
  }
  return success();
}

struct VerifyPlanPass : mlir::tenon::impl::VerifyPlanPassBase<VerifyPlanPass> {
  void runOnOperation() override {
    EngineOp engine = getOperation();
    StepWalk walk(engine);
    if (failed(checkPlanned(engine)) || failed(checkBuffers(engine, walk)) ||
        failed(checkBarriers(walk)))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
