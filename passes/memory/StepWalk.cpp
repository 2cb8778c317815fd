//===- StepWalk.cpp - A step's launches and what they touch ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/StepWalk.h"

using namespace mlir;
using namespace mlir::plan;

/// The accesses of one launch, without the pool's layer.
static StepLaunch describe(LaunchOp launch, const ::tenon::cpu::KernelSpec &spec,
                           const llvm::DenseMap<StringAttr, unsigned> &index) {
  StepLaunch described;
  described.op = launch;
  const Partition partition = kernelPartition(spec);
  SmallVector<KernelSlot> slots = kernelSlots(spec);
  for (auto [slot, attr] : llvm::zip_equal(slots, launch.getArgs())) {
    auto arg = cast<ArgAttr>(attr);
    if (slot.role == SlotRole::KPool) {
      described.kvLayer = 0;
      described.writesKv = spec.kind == ::tenon::cpu::KernelKind::LinearQkv;
    }
    const bool workspace = slot.role == SlotRole::Workspace;
    if (!slot.reads() && !slot.writes() && !workspace)
      continue;
    BufferAccess access;
    access.buffer = index.lookup(arg.getSymbol().getAttr());
    access.reads = slot.reads() || workspace;
    access.writes = slot.writes() || workspace;
    access.outlivesStep = workspace;
    access.rowBytes = slot.rowBytes;
    access.ownTokenRows = partition == Partition::TokenRows && slot.rows == RowDomain::Tokens;
    access.ownLogitRows = partition == Partition::LogitRows && slot.rows == RowDomain::LogitRows;
    described.buffers.push_back(access);
  }
  return described;
}

StepWalk::StepWalk(EngineOp engine) {
  llvm::DenseMap<StringAttr, unsigned> index;
  for (BufferOp buffer : engine.getFirstChip().getBody().getOps<BufferOp>()) {
    index[buffer.getSymNameAttr()] = bufferOps.size();
    bufferOps.push_back(buffer);
  }
  logitsBuffer = index.lookup(engine.getLogitsAttr().getAttr());

  llvm::DenseMap<StringAttr, ::tenon::cpu::KernelSpec> specs;
  for (KernelOp kernel : engine.getOps<KernelOp>()) {
    std::string error;
    specs[kernel.getSymNameAttr()] = *specFromAttr(kernel.getKind(), kernel.getSpec(), error);
  }
  llvm::DenseMap<StringAttr, SmallVector<StepLaunch>> functions;
  for (FunctionOp function : engine.getOps<FunctionOp>())
    for (LaunchOp launch : function.getBody().getOps<LaunchOp>())
      functions[function.getSymNameAttr()].push_back(
          describe(launch, specs[launch.getKernelAttr().getAttr()], index));
  for (CallOp call : engine.getOps<CallOp>())
    for (StepLaunch launch : functions[call.getFunctionAttr().getAttr()]) {
      if (launch.kvLayer >= 0)
        launch.kvLayer = call.getKvLayer();
      list.push_back(std::move(launch));
    }
  computeLiveness();
}

void StepWalk::computeLiveness() {
  live.assign(list.size() + 1, llvm::BitVector(bufferOps.size()));
  live.back().set(logitsBuffer);
  kept.resize(bufferOps.size());
  for (const StepLaunch &launch : list)
    for (const BufferAccess &access : launch.buffers)
      if (access.outlivesStep)
        kept.set(access.buffer);
  live.back() |= kept; // Never written without being read: live all through the step.
  for (size_t i = list.size(); i-- > 0;) {
    live[i] = live[i + 1];
    for (const BufferAccess &access : list[i].buffers)
      if (access.writes && !access.reads)
        live[i].reset(access.buffer);
    for (const BufferAccess &access : list[i].buffers)
      if (access.reads)
        live[i].set(access.buffer);
  }
}

std::vector<llvm::BitVector> StepWalk::interference() const {
  std::vector<llvm::BitVector> apart(bufferOps.size(), llvm::BitVector(bufferOps.size()));
  for (size_t i = 0; i < list.size(); ++i) {
    // While a launch runs, what it touches and what is needed later exist together.
    llvm::BitVector together = live[i + 1];
    for (const BufferAccess &access : list[i].buffers)
      together.set(access.buffer);
    for (unsigned buffer : together.set_bits())
      apart[buffer] |= together;
  }
  for (unsigned buffer = 0; buffer < apart.size(); ++buffer)
    apart[buffer].reset(buffer);
  return apart;
}

bool plan::mayOverlap(BufferOp a, BufferOp b) {
  return !a.getOffset().plus(a.getSize()).fitsIn(b.getOffset()) &&
         !b.getOffset().plus(b.getSize()).fitsIn(a.getOffset());
}

bool plan::needsBarrier(const StepLaunch &earlier, const StepLaunch &later,
                        ArrayRef<BufferOp> buffers) {
  if (earlier.kvLayer >= 0 && earlier.kvLayer == later.kvLayer &&
      (earlier.writesKv || later.writesKv))
    return true;
  for (const BufferAccess &a : earlier.buffers)
    for (const BufferAccess &b : later.buffers) {
      if (!a.writes && !b.writes)
        continue;
      if (a.buffer == b.buffer) {
        // Each worker goes on with the rows that it made itself.
        const bool ownRows =
            (a.ownTokenRows && b.ownTokenRows) || (a.ownLogitRows && b.ownLogitRows);
        if (!ownRows || a.rowBytes != b.rowBytes)
          return true;
      } else if (mayOverlap(buffers[a.buffer], buffers[b.buffer])) {
        return true;
      }
    }
  return false;
}
