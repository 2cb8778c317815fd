//===- StepWalk.h - A step's launches and what they touch -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The plan as the workers walk it: every call expanded to its launches, every launch with the
// buffers and KV pools that it reads and writes. Memory planning, barriers and the final check all
// stand on this one view. Steps are apart: the executor joins the workers between them.
//
#ifndef TENON_PASSES_MEMORY_STEPWALK_H
#define TENON_PASSES_MEMORY_STEPWALK_H

#include "dialects/plan/CpuKernels.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/ADT/BitVector.h"

namespace mlir::plan {

/// A buffer that a launch touches.
struct BufferAccess {
  unsigned buffer; ///< Index among the chip's buffers.
  bool reads, writes;
  uint64_t rowBytes;
  /// Worker w touches only its share of these rows, by the formula of KernelAbi.h.
  bool ownTokenRows, ownLogitRows, ownKeptRows;
  uint32_t ownRows =
      0;             ///< In steps of so many rows, its share of the chip's rows; 0: always of all.
  bool outlivesStep; ///< What it holds at the end of a step is needed in the next.
};

/// One launch or collective of a step.
struct StepLaunch {
  Operation *op;
  SmallVector<BufferAccess, 4> buffers;
  int64_t kvLayer = -1; ///< Pool that it touches; -1: none.
  bool writesKv = false;

  LaunchOp launch() const { return dyn_cast<LaunchOp>(op); }
  CollectiveOp collective() const { return dyn_cast<CollectiveOp>(op); }
  StringRef name() const { return launch() ? launch().getName() : collective().getName(); }
  /// All workers of a chip, and more, have come here before one goes on.
  bool isBarrier() const {
    return collective() ? collective().alwaysMeets() : launch().getBarrierBefore();
  }
  /// The buffer that other chips may read after this one has gone on; -1: none.
  int64_t offered() const;
};

/// Expands the program of some chips of a verified plan. Linear in launches times calls.
class StepWalk {
public:
  explicit StepWalk(EngineOp engine, uint32_t program = 0);

  ArrayRef<StepLaunch> launches() const { return list; }
  /// Of the first chip that runs the program.
  ArrayRef<BufferOp> buffers() const { return bufferOps; }
  unsigned logits() const { return logitsBuffer; }
  /// Buffers that keep their content from one step to the next.
  const llvm::BitVector &workspaces() const { return kept; }
  /// True if the chips that run the program are those that end a step with logits.
  bool hasLogits() const { return makesLogits; }

  /// Position in `launches` of the collective that others have left what launch `i` offers by: the
  /// next one that happens in every step, or the number of launches if the step ends before.
  size_t offerEnds(size_t i) const;

  /// Buffers whose content is still needed when launch `i` starts; `i` may be one past the last.
  ArrayRef<llvm::BitVector> liveBefore() const { return live; }

  /// For each buffer those that must not share bytes with it. In a pipeline the logits share with
  /// none: the stages do a step's rows in micro-batches, and the logits of one outlast the next.
  /// Nor do logits that chips put together: one of the same process may write its part as soon as
  /// it has it.
  std::vector<llvm::BitVector> interference() const;

private:
  void computeLiveness();
  bool gathersLogits() const;

  std::vector<StepLaunch> list;
  SmallVector<BufferOp> bufferOps;
  unsigned logitsBuffer = 0;
  std::optional<unsigned> hiddenBuffer; ///< Read after the step, where there is pooling.
  llvm::BitVector kept;
  bool makesLogits = true, pipeline = false;
  std::vector<llvm::BitVector> live;
};

/// True if the two share a byte for some T, S and W.
bool mayOverlap(BufferOp a, BufferOp b);

/// True if `later` must not start before all workers have finished `earlier`.
bool needsBarrier(const StepLaunch &earlier, const StepLaunch &later, ArrayRef<BufferOp> buffers);

} // namespace mlir::plan

#endif // TENON_PASSES_MEMORY_STEPWALK_H
