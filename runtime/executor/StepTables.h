//===- StepTables.h - Which tokens a step has -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_STEPTABLES_H
#define TENON_RUNTIME_EXECUTOR_STEPTABLES_H

#include "runtime/base/Status.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/executor/StepRows.h"

#include <cstddef>
#include <span>
#include <vector>

namespace tenon::executor {

/// Consecutive rows of a step that a chip computes together.
struct MicroBatch {
  /// Rows are counted from the micro-batch's first, sequences from the step's; rows with logits
  /// from the first of those kept, where an engine keeps some.
  cpu::StepView view;
  uint32_t numKept = 0;              ///< Rows that the end of the last layer is computed for:
  const int32_t *keptRows = nullptr; ///< [numKept] of the micro-batch, ascending.
  uint32_t firstRow = 0;             ///< Of the step.
  uint32_t firstLogit = 0;           ///< Of the step's rows with logits.
  uint64_t context = 0;              ///< Sum over its rows of the positions each attends to.
};

/// The tables of one step as kernels read them, in memory of the caller. Filling them allocates
/// nothing.
class StepTables {
public:
  /// What the tables of a step take; a multiple of 64.
  static uint64_t bytes(const Capacity &limits);

  /// `memory`: bytes(limits), aligned to 64. `micro`: micro-batches of a step at most. `keepsRows`:
  /// of its plan.
  StepTables(const Capacity &limits, uint32_t vocabulary, uint32_t micro, bool keepsRows,
             std::byte *memory);

  /// Takes a step's rows over, `each` to a micro-batch. InvalidArgument if they exceed the capacity
  /// or name a token, position or block that does not exist.
  Status fill(std::span<const StepRows> rows, uint32_t each);

  std::span<const MicroBatch> microBatches() const { return batches; }
  uint32_t logitRows() const { return numLogits; }

private:
  Status check(std::span<const StepRows> rows) const;
  void begin(uint32_t sequences);
  void addRow(const StepRows &rows, uint32_t sequence, uint32_t index);

  const Capacity limits;
  const uint32_t vocabulary, mostBatches;
  const bool keepsRows;
  bool keepsAll = false; ///< Of the step: somebody wants hidden states.
  std::vector<MicroBatch> batches;
  uint32_t numRows = 0, numLogits = 0, numTiles = 0, numKept = 0;
  cpu::AttentionTile *tiles = nullptr;
  int32_t *tokenIds = nullptr, *positions = nullptr, *rowSequence = nullptr, *logitRowIds = nullptr,
          *keptRowIds = nullptr, *blockTables = nullptr;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_STEPTABLES_H
