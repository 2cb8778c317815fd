//===- Generator.cpp - Scheduler, executor and sampler together -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Generator.h"

#include "runtime/base/Clock.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace tenon::generate {

namespace {
/// Measures the time spent in a request's mask.
class TimedMask : public sample::TokenMask {
public:
  TimedMask(sample::TokenMask *mask, uint64_t &nanos) : mask(mask), nanos(nanos) {}
  void apply(std::span<float> logits) override {
    const uint64_t began = nowNanos();
    mask->apply(logits);
    nanos += nowNanos() - began;
  }
  void accept(int32_t token) override {
    const uint64_t began = nowNanos();
    mask->accept(token);
    nanos += nowNanos() - began;
  }
  bool failed() const override { return mask->failed(); }

private:
  sample::TokenMask *const mask;
  uint64_t &nanos;
};
} // namespace

struct Generator::Active {
  uint64_t number;
  Request request;
  schedule::Sequence *sequence;
  sample::TokenHistory history;
  uint32_t reported = 0; ///< Prompt positions whose logits the listener has seen.
  uint64_t startedNanos = 0;
  std::optional<TimedMask> mask; ///< Around the request's.
};

const char *finishReasonName(FinishReason reason) {
  switch (reason) {
  case FinishReason::None:
    return "none";
  case FinishReason::Stop:
    return "stop";
  case FinishReason::Length:
    return "length";
  case FinishReason::Cancelled:
    return "cancelled";
  }
  return "unknown";
}

static schedule::SchedulerLimits limitsOf(const executor::Capacity &c, const engine::Plan &plan,
                                          bool prefixTree) {
  return {c.stepTokens,        c.logitRows, c.sequences, c.context,
          plan.kv.blockTokens, c.kvBlocks,  prefixTree};
}

Generator::Generator(executor::Executor &e, const engine::Plan &plan, bool prefixTree)
    : executor(e), vocabulary(plan.model.vocabulary),
      scheduler(limitsOf(e.capacity(), plan, prefixTree)), 
      stepDraws(vocabulary, e.numWorkers(), e.capacity().sequences) {
  planned.reserve(e.capacity().sequences);
  rows.reserve(e.capacity().sequences);
  plannedRequests.reserve(e.capacity().sequences);
}

Generator::~Generator() = default;

StatusOr<uint64_t> Generator::add(Request request) {
  TENON_RETURN_IF_ERROR(request.sampling.validate(vocabulary));
  for (int32_t token : request.prompt)
    if (token < 0 || uint32_t(token) >= vocabulary)
      return Status::invalidArgument(
          fmt::format("prompt token {} lies outside the vocabulary of {}", token, vocabulary));
  if (request.scoreOnly)
    request.maxNewTokens = 0;
  else if (request.maxNewTokens == 0)
    return Status::invalidArgument("a request must ask for at least one new token");
  for (int32_t token : request.stopTokens)
    if (token < 0 || uint32_t(token) >= vocabulary)
      return Status::invalidArgument(
          fmt::format("stop token {} lies outside the vocabulary of {}", token, vocabulary));
  auto sequence = scheduler.add({nextRequest, request.prompt, request.maxNewTokens,
                                 request.scoreOnly || request.promptLogits, request.priority});
  if (!sequence)
    return sequence.status();
  stepDraws.reserveAlternatives(request.sampling.topLogprobs);
  auto entry = std::make_unique<Active>();
  entry->number = nextRequest++;
  entry->sequence = *sequence;
  if (request.sampling.changesLogits()) {
    entry->history = sample::TokenHistory(request.prompt.size() + request.maxNewTokens);
    entry->history.addPrompt(request.prompt);
  }
  if (request.mask)
    entry->mask.emplace(request.mask.get(), times.grammar);
  entry->request = std::move(request);
  active.push_back(std::move(entry));
  return active.back()->number;
}

Status Generator::step(Listener &listener) {
  const uint64_t began = nowNanos();
  scheduler.planStep(planned);
  if (planned.empty())
    return scheduler.hasWork() ? Status::internal("the scheduler has work and plans none")
                               : Status::ok();
  rows.clear();
  plannedRequests.clear();
  uint64_t promptRows = 0;
  times = {};
  for (const schedule::ScheduledRows &p : planned) {
    const schedule::Sequence &s = *p.sequence;
    rows.push_back({std::span<const int32_t>(s.tokens).subspan(p.first, p.count), p.first,
                    s.table.blocks(), p.logitRows});
    Active &a = *find(s.id);
    plannedRequests.push_back(&a);
    if (p.first < s.promptTokens) {
      promptRows += std::min(p.count, s.promptTokens - p.first);
      if (a.startedNanos == 0)
        a.startedNanos = began;
    }
    times.rows += p.count;
    times.logitRows += p.logitRows;
    times.positions += uint64_t(p.first) + p.count;
    times.context += uint64_t(p.count) * p.first + uint64_t(p.count) * (p.count + 1) / 2;
  }
  const uint64_t computing = nowNanos();
  TENON_RETURN_IF_ERROR(executor.run(rows));
  const uint64_t computed = nowNanos();
  scheduler.stepDone(planned);
  times.kvSlots = scheduler.slots();
  stepDraws.clear();
  for (size_t i = 0; i < planned.size(); ++i)
    if (draws(planned[i], *plannedRequests[i]))
      collect(planned[i], *plannedRequests[i]);
  stepDraws.run(executor);
  size_t next = 0;
  for (size_t i = 0; i < planned.size(); ++i)
    deliver(*plannedRequests[i], planned[i], next, listener);

  const uint64_t ended = nowNanos();
  times.promptRows = static_cast<uint32_t>(promptRows);
  times.schedule = computing - began;
  times.execute = computed - computing;
  times.sample = ended - computed - times.grammar;
  ++totals.steps;
  totals.computeNanos += computed - computing;
  if (promptRows) {
    ++totals.prefillSteps;
    totals.promptTokens += promptRows;
    totals.prefillNanos += ended - began;
  } else {
    totals.decodeTokens += stepDraws.results().size();
    totals.decodeNanos += ended - began;
  }
  return Status::ok();
}

Generator::Active *Generator::find(uint64_t number) const {
  const auto at = std::lower_bound(active.begin(), active.end(), number,
                                   [](const auto &a, uint64_t n) { return a->number < n; });
  return at != active.end() && (*at)->number == number ? at->get() : nullptr;
}

void Generator::end(const Active &request) {
  scheduler.remove(*request.sequence);
  std::erase_if(active, [&](const auto &a) { return a.get() == &request; });
}

void Generator::reportPrompt(Active &a, const schedule::ScheduledRows &p, Listener &listener) {
  const uint32_t last = a.sequence->promptTokens - (a.request.scoreOnly ? 0 : 1);
  for (uint32_t i = 0; i < p.logitRows; ++i) {
    const uint32_t position = p.first + p.count - p.logitRows + i;
    if (position < a.reported || position >= last)
      continue; // Computed again after a preemption, or not of the prompt.
    listener.onPromptLogits(a.number, position, executor.logits(p.logitBase + i));
    a.reported = position + 1;
  }
}

bool Generator::draws(const schedule::ScheduledRows &p, const Active &a) {
  return p.logitRows > 0 && p.sequence->pending() == 0 && !a.request.scoreOnly;
}

void Generator::collect(const schedule::ScheduledRows &p, Active &a) {
  StepDraws::Draw &draw = stepDraws.add();
  draw.logits = executor.logits(p.logitBase + p.logitRows - 1);
  draw.params = &a.request.sampling;
  draw.history = &a.history;
  draw.index = p.sequence->generated();
  draw.limits = {a.mask ? &*a.mask : nullptr, {}};
  if (draw.index < a.request.minNewTokens)
    draw.limits.banned = a.request.stopTokens;
}

void Generator::deliver(Active &a, const schedule::ScheduledRows &p, size_t &nextDraw,
                        Listener &listener) {
  if (p.sequence->allLogits)
    reportPrompt(a, p, listener);
  if (!draws(p, a)) {
    if (a.request.scoreOnly && p.sequence->pending() == 0)
      end(a);
    return;
  }
  const StepDraws::Draw &draw = stepDraws.results()[nextDraw++];
  const auto &stops = a.request.stopTokens;
  sample::TokenMask *const mask = draw.limits.mask;
  TokenEvent event;
  event.request = a.number;
  if (mask) {
    ++times.masked;
    if (mask->failed()) {
      event.finish = FinishReason::Cancelled;
      end(a);
      return listener.onToken(event);
    }
  }
  event.token = draw.sampled.token;
  event.logprob = draw.sampled.logprob;
  event.startedNanos = a.startedNanos;
  event.cachedTokens = p.sequence->cached;
  event.preemptions = p.sequence->preemptions;
  event.alternatives = draw.alternatives;
  const bool stop = std::find(stops.begin(), stops.end(), event.token) != stops.end();
  const bool finished = scheduler.append(*p.sequence, event.token, stop);
  event.finish = stop ? FinishReason::Stop : finished ? FinishReason::Length : FinishReason::None;
  if (a.request.sampling.changesLogits())
    a.history.addGenerated(event.token);
  if (mask && !stop && !finished)
    mask->accept(event.token);
  if (finished)
    end(a);
  listener.onToken(event);
}

PromptView Generator::promptOf(uint64_t request) const {
  const Active *a = find(request);
  return a ? PromptView{a->request.prompt, a->request.sampling.topLogprobs, a->request.scoreOnly}
           : PromptView{};
}

void Generator::cancel(uint64_t request) {
  if (const Active *a = find(request))
    end(*a);
}

} // namespace tenon::generate
