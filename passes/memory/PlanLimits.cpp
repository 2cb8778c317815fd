//===- PlanLimits.cpp - Default limits and their range --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/Passes.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

namespace mlir::tenon {
#define GEN_PASS_DEF_PLANLIMITSPASS
#include "passes/memory/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;

namespace {
constexpr uint64_t kDefaultStepTokens = 512, kMaxStepTokens = 8192;
constexpr uint64_t kDefaultSequences = 16, kMaxSequences = 1024;
constexpr uint64_t kRowMultiple = 16;
/// Tokens of room for each default sequence but the one that may be as long as the context.
constexpr uint64_t kRoomTokens = 128;

uint64_t orDefault(uint64_t stated, uint64_t standard) {
  return llvm::alignTo(stated ? stated : standard, kRowMultiple);
}

struct PlanLimitsPass : mlir::tenon::impl::PlanLimitsPassBase<PlanLimitsPass> {
  void runOnOperation() override {
    plan::LimitsOp limits = getOperation().getLimits();
    plan::KvOp kv = getOperation().getKv();
    if (kv.getBlockTokens() == 0) {
      kv.emitOpError(
          "has no block geometry yet; run --tenon-plan-kv-blocks before --tenon-plan-limits");
      return signalPassFailure();
    }
    limits.setMaxStepTokens(orDefault(limits.getMaxStepTokens(), kMaxStepTokens));
    limits.setDefaultStepTokens(std::min(
        orDefault(limits.getDefaultStepTokens(), kDefaultStepTokens), limits.getMaxStepTokens()));
    limits.setMaxSequences(orDefault(limits.getMaxSequences(), kMaxSequences));
    limits.setDefaultSequences(std::min(orDefault(limits.getDefaultSequences(), kDefaultSequences),
                                        limits.getMaxSequences()));
    if (limits.getDefaultKvBytes() == 0) {
      const uint64_t block = kv.getBlockTokens();
      const uint64_t blocks =
          llvm::divideCeil(limits.getMaxContext(), block) +
          (limits.getDefaultSequences() - 1) * llvm::divideCeil(kRoomTokens, block);
      limits.setDefaultKvBytes(blocks * kv.getBytesPerBlock());
    }
  }
};
} // namespace
