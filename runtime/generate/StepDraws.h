//===- StepDraws.h - A step's tokens, drawn by all workers ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GENERATE_STEPDRAWS_H
#define TENON_RUNTIME_GENERATE_STEPDRAWS_H

#include "runtime/executor/Executor.h"
#include "runtime/sample/Sampler.h"

#include <span>
#include <vector>

namespace tenon::generate {

/// Collects what a step has to draw, draws it with a sampler for each worker of the executor, and
/// keeps the results until the next step. A draw depends on nothing but its own row, so who draws
/// it does not matter. One thread at a time, the executor's worker 0.
class StepDraws {
public:
  /// At most `rows` draws a step.
  StepDraws(uint32_t vocabulary, uint32_t workers, uint32_t rows);

  /// From here on a draw may report this many alternatives; later steps allocate nothing for them.
  void reserveAlternatives(uint32_t count);

  struct Draw {
    std::span<float> logits;           ///< No other draw's. Written to during run(), and put back.
    std::span<const float> maxima;     ///< Of their blocks; empty if unknown.
    sample::TokenMask *mask = nullptr; ///< No other draw's.
    const sample::SamplingParams *params = nullptr;
    const sample::TokenHistory *history = nullptr;
    uint64_t index = 0;
    sample::DrawLimits limits; ///< `allowed` is the mask's, filled in by run().
    sample::Sampled sampled;   ///< Result.
    std::vector<sample::TokenLogprob> alternatives; ///< Result.
  };

  void clear() { count = 0; }
  /// The next draw, to be filled in; its results are those of an earlier step.
  Draw &add() { return draws[count++]; }
  /// Draws all: first every worker asks some of the masks, then every worker draws some of the
  /// rows.
  void run(executor::Executor &executor);
  /// How long the masks took in the last run(), of the caller's time.
  uint64_t maskNanos() const { return maskTime; }
  std::span<const Draw> results() const { return std::span(draws).first(count); }

private:
  void draw(sample::Sampler &sampler, Draw &draw);
  /// Calls work(worker, draw) for the draws, by all workers where there are several draws.
  template <typename Work> void share(executor::Executor &executor, size_t draws, Work &&work);

  std::vector<sample::Sampler> samplers; ///< By worker.
  std::vector<Draw> draws;
  std::vector<Draw *> masked;
  size_t count = 0;
  uint64_t maskTime = 0;
};

} // namespace tenon::generate

#endif // TENON_RUNTIME_GENERATE_STEPDRAWS_H
