//===- PlanKvBlocks.cpp - Geometry of the KV cache ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/Passes.h"

#include "runtime/device/cpu/KernelAbi.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_PLANKVBLOCKSPASS
#include "passes/memory/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;

namespace {
struct PlanKvBlocksPass : mlir::tenon::impl::PlanKvBlocksPassBase<PlanKvBlocksPass> {
  void runOnOperation() override {
    plan::KvOp kv = getOperation().getKv();
    constexpr uint64_t elementBytes = 2; // f16
    kv.setBlockTokens(::tenon::cpu::kBlockTokens);
    kv.setElementBytes(elementBytes);
    kv.setBytesPerBlock(2 * kv.getLayers() * kv.getKvHeads() * kv.getHeadDim() *
                        kv.getBlockTokens() * elementBytes);
  }
};
} // namespace
