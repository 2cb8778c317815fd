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
  if (walk.launches().empty())
    return engine.emitOpError("has chips without a launch");
  for (const StepLaunch &launch : walk.launches())
    for (const BufferAccess &access : launch.buffers)
      if (!access.outlivesStep && walk.workspaces().test(access.buffer)) {
        return launch.op->emitOpError("\"")
               << launch.name() << "\" uses @" << BufferOp(buffers[access.buffer]).getSymName()
               << " for rows, but it is a workspace of other launches";
      }
  llvm::BitVector unwritten = walk.liveBefore().front();
  unwritten.reset(walk.workspaces());
  for (unsigned buffer : unwritten.set_bits()) {
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
    if (launches[i].isBarrier())
      sinceBarrier = i;
    if (launches[i].collective())
      continue;
    for (size_t j = sinceBarrier; j < i; ++j)
      if (needsBarrier(launches[j], launches[i], walk.buffers())) {
        return launches[i].op->emitOpError("\"")
               << launches[i].name() << "\" needs a barrier after \"" << launches[j].name() << "\"";
      }
  }
  return success();
}

/// Where each chip has its own rows of a buffer only, nothing reads the others before they are
/// gathered.
LogicalResult checkOwnRows(const StepWalk &walk) {
  llvm::BitVector parted(walk.buffers().size());
  int64_t from = 0;
  for (const StepLaunch &launch : walk.launches()) {
    for (const BufferAccess &access : launch.buffers) {
      if (access.ownRows && from && access.ownRows != from)
        return launch.op->emitOpError("\"")
               << launch.name() << "\" has own_rows " << access.ownRows << " and an earlier launch "
               << from << "; all of a step change at one number of rows";
      from = access.ownRows ? access.ownRows : from;
      if (access.reads && !access.ownRows && parted.test(access.buffer)) {
        BufferOp buffer = walk.buffers()[access.buffer];
        return launch.op->emitOpError("\"")
               << launch.name() << "\" reads rows of @" << buffer.getSymName()
               << " that only other chips have in a step of " << from
               << " rows; a gather_rows has to stand before it";
      }
    }
    for (const BufferAccess &access : launch.buffers)
      if (access.writes)
        parted[access.buffer] =
            access.ownRows && (launch.launch() || launch.collective().alwaysMeets());
  }
  if (walk.hasLogits() && parted.test(walk.logits()))
    return walk.launches().back().op->emitOpError("ends a step whose logits are not whole");
  return success();
}

/// Nothing that other chips may still be reading is written.
LogicalResult checkOffers(const StepWalk &walk) {
  ArrayRef<StepLaunch> launches = walk.launches();
  for (size_t i = 0; i < launches.size(); ++i) {
    const int64_t offered = launches[i].offered();
    for (size_t later = i + 1; offered >= 0 && later < walk.offerEnds(i); ++later)
      for (const BufferAccess &access : launches[later].buffers)
        if (access.writes && (access.buffer == offered ||
                              mayOverlap(walk.buffers()[access.buffer], walk.buffers()[offered]))) {
          BufferOp buffer = walk.buffers()[offered];
          return launches[i].op->emitOpError("\"")
                 << launches[i].name() << "\" needs a fence: other chips may still read @"
                 << buffer.getSymName() << " when \"" << launches[later].name()
                 << "\" writes there";
        }
  }
  return success();
}

struct VerifyPlanPass : mlir::tenon::impl::VerifyPlanPassBase<VerifyPlanPass> {
  void runOnOperation() override {
    EngineOp engine = getOperation();
    if (failed(checkPlanned(engine)))
      return signalPassFailure();
    for (uint32_t program = 0; program < engine.getNumPrograms(); ++program) {
      StepWalk walk(engine, program);
      if (failed(checkBuffers(engine, walk)) || failed(checkBarriers(walk)) ||
          failed(checkOffers(walk)) || failed(checkOwnRows(walk)))
        return signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};
} // namespace
