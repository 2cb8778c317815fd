//===- StepDraws.cpp - A step's tokens, drawn by all workers --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/StepDraws.h"

#include <algorithm>
#include <atomic>

namespace tenon::generate {

StepDraws::StepDraws(uint32_t vocabulary, uint32_t workers, uint32_t rows) : draws(rows) {
  samplers.reserve(workers);
  for (uint32_t w = 0; w < workers; ++w)
    samplers.emplace_back(vocabulary);
}

void StepDraws::reserveAlternatives(uint32_t most) {
  for (Draw &d : draws)
    d.alternatives.reserve(most);
}

void StepDraws::draw(sample::Sampler &sampler, Draw &d) {
  d.alternatives.clear();
  d.sampled = sampler.sample(d.logits, *d.params, *d.history, d.index,
                             d.params->topLogprobs ? &d.alternatives : nullptr, d.limits);
}

void StepDraws::run(executor::Executor &executor) {
  const std::span<Draw> all = std::span(draws).first(count);
  // Waking the others costs more than one row does, and workers with further steps under way have better things to do.
  if (count < 2 || samplers.size() == 1 || executor.inFlight() > 0) {
    for (Draw &d : all)
      draw(samplers[0], d);
    return;
  }
  std::atomic<size_t> next{0};
  executor.onWorkers([&](uint32_t worker) {
    if (worker == 0)
      for (Draw &d : all)
        if (d.limits.mask)
          draw(samplers[0], d);
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < all.size();)
      if (!all[i].limits.mask)
        draw(samplers[worker], all[i]);
  });
}

} // namespace tenon::generate
