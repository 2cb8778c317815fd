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
  const bool kept = launch.getKept();
  SmallVector<KernelSlot> slots = kernelSlots(spec, kept);
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
    access.ownTokenRows =
        !kept && partition == Partition::TokenRows && slot.rows == RowDomain::Tokens;
    access.ownLogitRows = partition == Partition::LogitRows && slot.rows == RowDomain::LogitRows;
    // Where rows are gathered, only what is written counts among those kept.
    access.ownKeptRows = kept && (partition == Partition::TokenRows ||
                                  (partition == Partition::LogitRows && slot.writes()));
    access.ownRows = launch.getOwnRows().value_or(0);
    described.buffers.push_back(access);
  }
  return described;
}

/// What a collective does with its buffers. What it gives is read by other chips; rows of what it
/// gets are shared out among the workers as kernels do it.
static StepLaunch describe(CollectiveOp op, const llvm::DenseMap<StringAttr, unsigned> &index) {
  StepLaunch described;
  described.op = op;
  const uint64_t rank = 0;
  auto add = [&](FlatSymbolRefAttr name, uint64_t rowBytes, bool reads, bool writes) {
    BufferAccess access;
    access.buffer = index.lookup(name.getAttr());
    access.reads = reads;
    access.writes = writes;
    access.rowBytes = rowBytes;
    const bool sum = writes && op.getKind() == CollectiveKind::AllReduce;
    access.ownTokenRows = sum && !op.getLogitRows() && !op.getKept();
    access.ownLogitRows = writes && op.getLogitRows();
    access.ownKeptRows = sum && op.getKept();
    access.ownRows = op.getOwnRows().value_or(0);
    access.outlivesStep = false;
    described.buffers.push_back(access);
  };
  if (op.getSourceAttr())
    add(op.getSourceAttr(), op.getSourceColumns(rank) * op.getSourceElementBytes(), true, false);
  if (op.getTargetAttr())
    add(op.getTargetAttr(), op.getTargetColumns() * sizeof(float),
        op.getAccumulate() || op.getKind() == CollectiveKind::GatherRows, true);
  return described;
}

int64_t StepLaunch::offered() const {
  CollectiveOp op = collective();
  const bool gives = op && (op.getSourceAttr() || op.getKind() == CollectiveKind::GatherRows);
  if (!gives || op.getKind() == CollectiveKind::Send || op.getFence())
    return -1;
  return buffers.front().buffer;
}

size_t StepWalk::offerEnds(size_t i) const {
  for (size_t next = i + 1; next < list.size(); ++next)
    if (CollectiveOp op = list[next].collective();
        op && op.alwaysMeets() && op.getAxis() == list[i].collective().getAxis())
      return next;
  return list.size();
}

StepWalk::StepWalk(EngineOp engine, uint32_t program) {
  llvm::DenseMap<StringAttr, unsigned> index;
  makesLogits = engine.getLogitsChip().getProgramNumber() == program;
  for (BufferOp buffer : engine.getChipOf(program).getBody().getOps<BufferOp>()) {
    index[buffer.getSymNameAttr()] = bufferOps.size();
    bufferOps.push_back(buffer);
  }
  logitsBuffer = index.lookup(engine.getLogitsAttr().getAttr());
  pipeline = engine.getGrid().size() > 1 && engine.getGrid().front() > 1;
  if (PoolingOp pooling = engine.getPooling())
    hiddenBuffer = index.lookup(pooling.getHiddenAttr().getAttr());

  llvm::DenseMap<StringAttr, ::tenon::cpu::KernelSpec> specs;
  for (KernelOp kernel : engine.getOps<KernelOp>()) {
    std::string error;
    specs[kernel.getSymNameAttr()] = *specFromAttr(kernel.getKind(), kernel.getSpec(), error);
  }
  llvm::DenseMap<StringAttr, SmallVector<StepLaunch>> functions;
  for (FunctionOp function : engine.getOps<FunctionOp>())
    for (Operation &op : function.getBody().front()) {
      auto launch = dyn_cast<LaunchOp>(op);
      functions[function.getSymNameAttr()].push_back(
          launch ? describe(launch, specs[launch.getKernelAttr().getAttr()], index)
                 : describe(cast<CollectiveOp>(op), index));
    }
  for (CallOp call : engine.getOps<CallOp>()) {
    if (call.getProgramNumber() != program)
      continue;
    for (StepLaunch launch : functions[call.getFunctionAttr().getAttr()]) {
      if (launch.kvLayer >= 0)
        launch.kvLayer = call.getKvLayer();
      list.push_back(std::move(launch));
    }
  }
  computeLiveness();
}

void StepWalk::computeLiveness() {
  live.assign(list.size() + 1, llvm::BitVector(bufferOps.size()));
  if (makesLogits) {
    live.back().set(logitsBuffer);
    if (hiddenBuffer)
      live.back().set(*hiddenBuffer);
  }
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

bool StepWalk::gathersLogits() const {
  return llvm::any_of(list, [&](const StepLaunch &launch) {
    return launch.collective() && launch.collective().getKind() == CollectiveKind::GatherColumns &&
           launch.buffers.back().buffer == logitsBuffer;
  });
}

std::vector<llvm::BitVector> StepWalk::interference() const {
  std::vector<llvm::BitVector> apart(bufferOps.size(), llvm::BitVector(bufferOps.size()));
  // Those of one micro-batch outlast the next, and other chips may write their parts before this
  // one gathers them.
  if (makesLogits && (pipeline || gathersLogits()))
    for (const StepLaunch &launch : list)
      for (const BufferAccess &access : launch.buffers) {
        apart[access.buffer].set(logitsBuffer);
        apart[logitsBuffer].set(access.buffer);
      }
  for (size_t i = 0; i < list.size(); ++i) {
    // While a launch runs, what it touches and what is needed later exist together.
    llvm::BitVector together = live[i + 1];
    for (const BufferAccess &access : list[i].buffers)
      together.set(access.buffer);
    for (unsigned buffer : together.set_bits())
      apart[buffer] |= together;
  }
  // What a collective gives stays as it is until the next one: other chips may still read it.
  for (size_t i = 0; i < list.size(); ++i) {
    const int64_t offered = list[i].offered();
    if (offered < 0)
      continue;
    for (size_t later = i + 1; later <= offerEnds(i) && later < list.size(); ++later)
      for (const BufferAccess &access : list[later].buffers)
        if (access.writes && access.buffer != offered) {
          apart[offered].set(access.buffer);
          apart[access.buffer].set(offered);
        }
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
        const bool ownRows = (a.ownTokenRows && b.ownTokenRows && a.ownRows == b.ownRows) ||
                             (a.ownLogitRows && b.ownLogitRows) || (a.ownKeptRows && b.ownKeptRows);
        if (!ownRows || a.rowBytes != b.rowBytes)
          return true;
      } else if (mayOverlap(buffers[a.buffer], buffers[b.buffer])) {
        return true;
      }
    }
  return false;
}
