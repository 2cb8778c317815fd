//===- OwnRows.cpp - Rows that one of several chips works on --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/Passes.h"
#include "passes/memory/StepWalk.h"

#include "mlir/IR/Builders.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_OWNROWSPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
/// The buffers, by name, of which a chip may have its own rows only.
using Parted = llvm::SmallSetVector<StringAttr, 4>;

/// One program of the engine: which launches work on own rows, and where rows are gathered. A
/// function is called for many layers; what is in parts before any of its calls is taken to be so
/// before all.
class RowSharing {
public:
  RowSharing(EngineOp engine, uint32_t program, uint32_t from)
      : engine(engine), program(program), from(from), tensorAxis(engine.getGrid().size() - 1) {
    for (KernelOp kernel : engine.getOps<KernelOp>()) {
      std::string error;
      specs[kernel.getSymNameAttr()] = *specFromAttr(kernel.getKind(), kernel.getSpec(), error);
    }
    for (FunctionOp function : engine.getOps<FunctionOp>())
      functions[function.getSymNameAttr()] = function;
  }

  void run() {
    // What a function leaves in parts can reach an earlier one only through a later call of it: as
    // many rounds as there are buffers at most, and two in practice.
    for (bool grown = true; grown;) {
      grown = false;
      Parted parted;
      for (CallOp call : engine.getOps<CallOp>()) {
        if (call.getProgramNumber() != program)
          continue;
        Parted &before = entry[call.getFunctionAttr().getAttr()];
        for (StringAttr buffer : parted)
          grown |= before.insert(buffer);
        parted = before;
        walk(functions[call.getFunctionAttr().getAttr()], parted, /*change=*/false);
      }
    }
    for (auto &[name, parted] : entry)
      walk(functions[name], parted, /*change=*/true);
  }

private:
  IntegerAttr fromAttr() { return Builder(engine.getContext()).getI64IntegerAttr(from); }

  void walk(FunctionOp function, Parted &parted, bool change) {
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      if (auto collective = dyn_cast<CollectiveOp>(op))
        visit(collective, parted, change);
      else
        visit(cast<LaunchOp>(op), parted, change);
    }
  }

  void visit(CollectiveOp op, Parted &parted, bool change) {
    if (op.getSourceAttr())
      gather(op, op.getSourceAttr(), op.getSourceColumns(0) * op.getSourceElementBytes(), parted,
             change);
    if (op.getKind() == CollectiveKind::AllReduce && op.getAxis() == tensorAxis &&
        !op.getLogitRows() && !op.getKept()) {
      parted.insert(op.getTargetAttr().getAttr());
      if (change)
        op.setOwnRowsAttr(fromAttr());
      return;
    }
    if (op.getTargetAttr())
      parted.remove(op.getTargetAttr().getAttr());
  }

  void visit(LaunchOp op, Parted &parted, bool change) {
    const ::tenon::cpu::KernelSpec &spec = specs[op.getKernelAttr().getAttr()];
    const SmallVector<KernelSlot> slots = kernelSlots(spec);
    bool readsParts = false, whole = op.getKept() || kernelPartition(spec) != Partition::TokenRows;
    for (auto [slot, attr] : llvm::zip_equal(slots, op.getArgs()))
      readsParts |= slot.reads() && parted.contains(cast<ArgAttr>(attr).getSymbol().getAttr());
    if (!readsParts && !whole)
      whole =
          true; // Made of what every chip has: nothing is saved that would not have to be gathered.
    for (auto [slot, attr] : llvm::zip_equal(slots, op.getArgs())) {
      if (!slot.reads() && !slot.writes())
        continue;
      auto buffer = cast<ArgAttr>(attr).getSymbol();
      if (!whole && slot.writes())
        parted.insert(buffer.getAttr());
      if (whole && slot.reads())
        gather(op, buffer, slot.rowBytes, parted, change);
      if (whole && slot.writes())
        parted.remove(buffer.getAttr());
    }
    if (!whole && change)
      op.setOwnRowsAttr(fromAttr());
  }

  /// Before `reader`, if `buffer` is in parts.
  void gather(Operation *reader, FlatSymbolRefAttr buffer, uint64_t rowBytes, Parted &parted,
              bool change) {
    if (!parted.remove(buffer.getAttr()) || !change)
      return;
    OpBuilder builder(reader);
    const auto zero = CostAttr::get(builder.getContext(), 0, 2 * rowBytes, 0, 0, 0, 0, 0);
    CollectiveOp::create(
        builder, reader->getLoc(),
        CollectiveKindAttr::get(builder.getContext(), CollectiveKind::GatherRows), buffer.getAttr(),
        FlatSymbolRefAttr(), buffer, builder.getI64IntegerAttr(tensorAxis),
        builder.getDenseI64ArrayAttr({0, static_cast<int64_t>(rowBytes / 4)}), UnitAttr(),
        UnitAttr(), UnitAttr(), UnitAttr(), UnitAttr(), fromAttr(), IntegerAttr(), IntegerAttr(),
        builder.getStringAttr("chips have worked on rows of their own"), zero);
  }

  EngineOp engine;
  const uint32_t program, from, tensorAxis;
  llvm::DenseMap<StringAttr, ::tenon::cpu::KernelSpec> specs;
  llvm::DenseMap<StringAttr, FunctionOp> functions;
  llvm::MapVector<StringAttr, Parted> entry; ///< Before each function.
};

struct OwnRowsPass : mlir::tenon::impl::OwnRowsPassBase<OwnRowsPass> {
  using OwnRowsPassBase::OwnRowsPassBase;

  void runOnOperation() override {
    EngineOp engine = getOperation();
    if (from == 0) {
      engine.emitError("own rows begin with steps of a row or more, not of 0");
      return signalPassFailure();
    }
    if (engine.getGrid().empty() || engine.getGrid().back() < 2)
      return;
    for (uint32_t program = 0; program < engine.getNumPrograms(); ++program)
      RowSharing(engine, program, from).run();
  }
};
} // namespace
