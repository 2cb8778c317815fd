//===- MicroBatches.h - A step in pieces for a pipeline ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// On a pipeline, one stage can work on some of a step's rows while the next works on those before.
// So a step's rows are cut into micro-batches: runs of consecutive rows that go through the stages
// one after the other. Where the cuts are changes no bit of a row's results.
//
#ifndef TENON_RUNTIME_EXECUTOR_MICROBATCHES_H
#define TENON_RUNTIME_EXECUTOR_MICROBATCHES_H

#include <cstdint>

namespace tenon::executor {

/// Most micro-batches of a step.
inline constexpr uint32_t kMostMicroBatches = 64;
/// A stage reads its weights for every micro-batch: so many rows cost hardly more than one, and are
/// not cut further.
inline constexpr uint32_t kRowsReadTogether = 8;

/// How many rows each micro-batch has (the last one may have fewer) in a step of `rows` rows on a
/// pipeline of `stages`: those that end the step soonest if a stage takes max(rows,
/// kRowsReadTogether) plus a fixed cost for each micro-batch and all stages take equally long.
/// `rows`, so one micro-batch, for one stage.
uint32_t microBatchRows(uint32_t rows, uint32_t stages);

/// The most micro-batches that any step of up to `rows` rows is cut into.
uint32_t mostMicroBatches(uint32_t rows, uint32_t stages);

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_MICROBATCHES_H
