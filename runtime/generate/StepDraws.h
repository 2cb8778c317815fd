//===- StepDraws.h - A step's tokens, drawn by all workers ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GENERATE_STEPDRAWS_H
#define TENON_RUNTIME_GENERATE_STEPDRAWS_H

#include "runtime/executor/Executor.h"
#include "runtime/sample/Sampler.h"

#include <span>
#include <vector>

namespace tenon::generate {

/// Collects what a step has to draw, draws it with a sampler for each worker of the executor, and keeps the results
/// until the next step. A draw depends on nothing but its own row, so who draws it does not matter. One thread at a
/// time, the executor's worker 0.
class StepDraws {
public:
  /// At most `rows` draws a step.
  StepDraws(uint32_t vocabulary, uint32_t workers, uint32_t rows);

  /// From here on a draw may report this many alternatives; later steps allocate nothing for them.
  void reserveAlternatives(uint32_t count);

  struct Draw {
    std::span<const float> logits;
    const sample::SamplingParams *params = nullptr;
    const sample::TokenHistory *history = nullptr;
    uint64_t index = 0;
    sample::DrawLimits limits;
    sample::Sampled sampled;                        ///< Result.
    std::vector<sample::TokenLogprob> alternatives; ///< Result.
  };

  void clear() { count = 0; }
  /// The next draw, to be filled in; its results are those of an earlier step.
  Draw &add() { return draws[count++]; }
  /// Draws all. Rows with a mask are drawn by the calling thread: masks are not for others.
  void run(executor::Executor &executor);
  std::span<const Draw> results() const { return std::span(draws).first(count); }

private:
  void draw(sample::Sampler &sampler, Draw &draw);

  std::vector<sample::Sampler> samplers; ///< By worker.
  std::vector<Draw> draws;
  size_t count = 0;
};

} // namespace tenon::generate

#endif // TENON_RUNTIME_GENERATE_STEPDRAWS_H
