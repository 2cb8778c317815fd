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
    StepWalk walk(engine);
    ArrayRef<StepLaunch> launches = walk.launches();
    // A barrier that a later call of a function needs stands in its earlier calls too, where it
    // only ends a dependency sooner: one walk finds all.
    size_t sinceBarrier = 0;
    for (size_t i = 0; i < launches.size(); ++i) {
      LaunchOp launch = launches[i].op;
      if (!launch.getBarrierBefore() && llvm::any_of(launches.slice(sinceBarrier, i - sinceBarrier),
                                                     [&](const StepLaunch &earlier) {
                                                       return needsBarrier(earlier, launches[i],
                                                                           walk.buffers());
                                                     }))
        launch.setBarrierBefore(true);
      if (launch.getBarrierBefore())
        sinceBarrier = i;
    }
  }
};
} // namespace
