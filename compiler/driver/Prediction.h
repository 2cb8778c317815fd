//===- Prediction.h - How long a step will take -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// From a plan's costs and a chips file to seconds. A launch takes the longer of its bytes over the
// chip's bandwidth (or its part of a bandwidth that chips of its stage share) and its products over
// the chip's rate, and its fixed cost. Chips that share a memory are of one process: a KV head that
// several of them read comes from the memory once, and logits are written where they belong. A
// collective of n chips and b bytes takes, by the alpha-beta model (Thakur, Rabenseifner and Gropp,
// "Optimization of Collective Communication Operations in MPICH", section 4), the faster of
//   every pair at once    alpha + (n - 1) b / beta
//   two halves            2 alpha + 2 (n - 1)/n b / beta, or 2 (n - 1) alpha on a ring
// and one of the halves, where chips do rows of their own, alpha + (n - 1)/n b / beta. What rows
// that travel beside a product add to it: Overlap.h.
//
#ifndef TENON_COMPILER_DRIVER_PREDICTION_H
#define TENON_COMPILER_DRIVER_PREDICTION_H

#include "compiler/driver/ChipsFile.h"
#include "dialects/plan/PlanDialect.h"

namespace tenon::compiler {

/// Rows of a step: `tokens` rows, `logitRows` of them with logits. `context` is the sum over rows
/// of the positions that each attends to, `positions` the sum over sequences of those that any row
/// does: rows of one sequence share what is read.
struct StepShape {
  uint64_t tokens = 1, logitRows = 1, context = 1, positions = 1;
  bool sharesRows = true; ///< Chips do rows of their own where the plan says so, else all of them.
};

/// A token for each of `sequences`, the last position being `context`.
inline StepShape decodeStep(uint64_t sequences, uint64_t context) {
  return {sequences, sequences, sequences * context, sequences * context};
}

/// Rows [begin, end) of one sequence, with logits of the last.
inline StepShape promptStep(uint64_t begin, uint64_t end) {
  const uint64_t rows = end - begin;
  return {rows, 1, (begin + 1 + end) * rows / 2, end};
}

/// Seconds of one collective on the chips that chip `chip` meets in it.
double collectiveSeconds(mlir::plan::EngineOp engine, mlir::plan::CollectiveOp op,
                         const ChipsFile &chips, uint32_t chip, const StepShape &step);

/// Bytes that a chip sends in one collective of a step.
uint64_t collectiveBytes(mlir::plan::EngineOp engine, mlir::plan::CollectiveOp op,
                         const StepShape &step);

/// A step by stage: chips of a stage wait for the slowest of them.
struct StepPrediction {
  std::vector<double> stages; ///< Seconds.
  double seconds() const;     ///< Through all stages, one after the other.
  double slowest() const;     ///< What a full pipeline is bound by.
};

/// What else happens during a step.
struct StepSurroundings {
  bool overlapped = false; ///< Other stages work at the same time, on other rows.
  uint32_t replica =
      0; ///< Whose step it is: it has the file's chips from replica x chips of a replica on.
  uint32_t active = 0; ///< Replicas from 0 on that work at the same time.
};

/// Whatever works at the same time takes its part of a memory that it shares.
StepPrediction predictStep(mlir::plan::EngineOp engine, const ChipsFile &chips,
                           const StepShape &step, const StepSurroundings &around = {});

/// Seconds of micro-batches that go through the stages one behind the other.
double pipelineSeconds(llvm::ArrayRef<StepPrediction> microBatches);

/// Seconds until each of `sequences` prompts of so many tokens has its first token, in steps of the
/// plan's default size, each in the executor's micro-batches. They are dealt out over the replicas
/// and computed one after the other; a pipeline begins with one while its last stages are at the
/// one before. A lonely prompt leaves other replicas idle. Of replicas that have other chips, the
/// slowest counts.
double predictPrompts(mlir::plan::EngineOp engine, const ChipsFile &chips, uint64_t sequences,
                      uint64_t tokens);

/// Seconds in which each of `sequences` gets a token, the last position being `context`. They are
/// dealt out over the replicas, of which the slowest counts. On a pipeline they are spread over
/// steps that are under way at once, as the generator does within one process.
double predictDecode(mlir::plan::EngineOp engine, const ChipsFile &chips, uint64_t sequences,
                     uint64_t context);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_PREDICTION_H
