//===- PlaceBarriers.cpp - Barriers where data crosses workers ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/Passes.h"
#include "passes/memory/StepWalk.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_PLACEBARRIERSPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
struct PlaceBarriersPass : mlir::tenon::impl::PlaceBarriersPassBase<PlaceBarriersPass> {
  void runOnOperation() override {
    EngineOp engine = getOperation();
    engine.walk([](LaunchOp launch) { launch.setBarrierBefore(false); });
    engine.walk([](CollectiveOp collective) { collective.setFence(false); });
    for (uint32_t program = 0; program < engine.getNumPrograms(); ++program)
      place(StepWalk(engine, program));
  }

  static void place(const StepWalk &walk) {
    ArrayRef<StepLaunch> launches = walk.launches();
    // A barrier that a later call of a function needs stands in its earlier calls too, where it
    // only ends a dependency sooner: one walk finds all.
    size_t sinceBarrier = 0;
    for (size_t i = 0; i < launches.size(); ++i) {
      LaunchOp launch = launches[i].launch();
      if (launch && !launch.getBarrierBefore() &&
          llvm::any_of(launches.slice(sinceBarrier, i - sinceBarrier),
                       [&](const StepLaunch &earlier) {
                         return needsBarrier(earlier, launches[i], walk.buffers());
                       }))
        launch.setBarrierBefore(true);
      if (launches[i].isBarrier())
        sinceBarrier = i;
      if (mustFence(walk, i))
        launches[i].collective().setFence(true);
    }
  }

  /// True if this chip writes what it has given before it knows that the others have read it.
  static bool mustFence(const StepWalk &walk, size_t i) {
    const int64_t offered = walk.launches()[i].offered();
    if (offered < 0)
      return false;
    for (size_t later = i + 1; later < walk.offerEnds(i); ++later)
      for (const BufferAccess &access : walk.launches()[later].buffers)
        if (access.writes && (access.buffer == offered ||
                              mayOverlap(walk.buffers()[access.buffer], walk.buffers()[offered])))
          return true;
    return false;
  }
};
} // namespace
