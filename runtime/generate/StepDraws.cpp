//===- StepDraws.cpp - A step's tokens, drawn by all workers --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/StepDraws.h"

#include "runtime/base/Clock.h"

#include <algorithm>
#include <atomic>

namespace tenon::generate {

StepDraws::StepDraws(uint32_t vocabulary, uint32_t workers, uint32_t rows) : draws(rows) {
  samplers.reserve(workers);
  for (uint32_t w = 0; w < workers; ++w)
    samplers.emplace_back(vocabulary);
  masked.reserve(rows);
}

void StepDraws::reserveAlternatives(uint32_t most) {
  for (Draw &d : draws)
    d.alternatives.reserve(most);
}

/// Values that are about to be read: those who wrote them left them in their own caches.
static void fetch(std::span<const float> values) {
  for (size_t i = 0; i < values.size(); i += 16)
    __builtin_prefetch(values.data() + i);
}

void StepDraws::draw(sample::Sampler &sampler, Draw &d) {
  while (true) {
    d.alternatives.clear();
    d.sampled =
        sampler.sample(d.logits, *d.params, *d.history, d.index,
                       d.params->topLogprobs ? &d.alternatives : nullptr, d.limits, d.maxima);
    if (!d.mask || d.mask->failed() || d.mask->admits(d.sampled.token))
      return;
    d.limits.allowed = d.mask->next();
    ++d.limits.refusals;
  }
}

template <typename Work>
void StepDraws::share(executor::Executor &executor, size_t items, Work &&work) {
  // Waking the others costs more than one row does, and workers with further steps under way have
  // better things to do.
  if (items < 2 || samplers.size() == 1 || executor.inFlight() > 0) {
    for (size_t i = 0; i < items; ++i)
      work(0, i);
    return;
  }
  std::atomic<size_t> next{0};
  executor.onWorkers([&](uint32_t worker) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items;)
      work(worker, i);
  });
}

void StepDraws::run(executor::Executor &executor) {
  const std::span<Draw> all = std::span(draws).first(count);
  masked.clear();
  for (Draw &d : all)
    if (d.mask)
      masked.push_back(&d);
  maskTime = 0;
  if (!masked.empty()) {
    const uint64_t began = nowNanos();
    share(executor, masked.size(),
          [&](uint32_t, size_t i) { masked[i]->limits.allowed = masked[i]->mask->next(); });
    maskTime = nowNanos() - began;
  }
  const size_t apart = samplers.size(); // The row that a worker draws next, or about it.
  share(executor, all.size(), [&](uint32_t worker, size_t i) {
    if (i + apart < all.size())
      fetch(all[i + apart].maxima);
    draw(samplers[worker], all[i]);
  });
}

} // namespace tenon::generate
