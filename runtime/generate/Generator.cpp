//===- Generator.cpp - Scheduler, executor and sampler together -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Generator.h"

#include "runtime/base/Clock.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::generate {

struct Generator::Active {
  uint64_t number;
  Request request;
  schedule::Sequence *sequence;
  sample::TokenHistory history;
  uint32_t reported = 0; ///< Prompt positions whose logits the listener has seen.
  uint64_t startedNanos = 0;
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
      scheduler(limitsOf(e.capacity(), plan, prefixTree)), sampler(vocabulary) {
  planned.reserve(e.capacity().sequences);
  rows.reserve(e.capacity().sequences);
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
  alternatives.reserve(request.sampling.topLogprobs);
  auto entry = std::make_unique<Active>();
  entry->number = nextRequest++;
  entry->sequence = *sequence;
  if (request.sampling.changesLogits()) {
    entry->history = sample::TokenHistory(request.prompt.size() + request.maxNewTokens);
    entry->history.addPrompt(request.prompt);
  }
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
  uint64_t promptRows = 0;
  times = {};
  for (const schedule::ScheduledRows &p : planned) {
    const schedule::Sequence &s = *p.sequence;
    rows.push_back({std::span<const int32_t>(s.tokens).subspan(p.first, p.count), p.first,
                    s.table.blocks(), p.logitRows});
    if (p.first < s.promptTokens) {
      promptRows += std::min(p.count, s.promptTokens - p.first);
      if (Active &a = activeOf(s); a.startedNanos == 0)
        a.startedNanos = began;
    }
    times.rows += p.count;
    times.logitRows += p.logitRows;
    times.context += uint64_t(p.count) * p.first + uint64_t(p.count) * (p.count + 1) / 2;
  }
  const uint64_t computing = nowNanos();
  TENON_RETURN_IF_ERROR(executor.run(rows));
  const uint64_t computed = nowNanos();
  scheduler.stepDone(planned);
  uint64_t drawn = 0;
  for (const schedule::ScheduledRows &p : planned) {
    drawn += p.logitRows;
    deliver(p, listener);
  }

  const uint64_t ended = nowNanos();
  times.promptRows = static_cast<uint32_t>(promptRows);
  times.schedule = computing - began;
  times.execute = computed - computing;
  times.sample = ended - computed;
  ++totals.steps;
  totals.computeNanos += computed - computing;
  if (promptRows) {
    ++totals.prefillSteps;
    totals.promptTokens += promptRows;
    totals.prefillNanos += ended - began;
  } else {
    totals.decodeTokens += drawn;
    totals.decodeNanos += ended - began;
  }
  return Status::ok();
}

Generator::Active &Generator::activeOf(const schedule::Sequence &sequence) {
  return **std::find_if(active.begin(), active.end(),
                        [&](const auto &a) { return a->sequence == &sequence; });
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

void Generator::deliver(const schedule::ScheduledRows &p, Listener &listener) {
  if (p.logitRows == 0 && !p.sequence->allLogits)
    return;
  Active &a = activeOf(*p.sequence);
  if (p.sequence->allLogits) {
    reportPrompt(a, p, listener);
    if (p.sequence->pending() != 0)
      return;
    if (a.request.scoreOnly)
      return end(a);
  }
  const sample::SamplingParams &sampling = a.request.sampling;
  const auto &stops = a.request.stopTokens;
  const uint32_t index = p.sequence->generated();
  sample::DrawLimits limits{a.request.mask.get(), {}};
  if (index < a.request.minNewTokens)
    limits.banned = stops;
  TokenEvent event;
  event.request = a.number;
  const sample::Sampled sampled =
      sampler.sample(executor.logits(p.logitBase + p.logitRows - 1), sampling, a.history, index,
                     sampling.topLogprobs ? &alternatives : nullptr, limits);
  event.token = sampled.token;
  event.logprob = sampled.logprob;
  event.startedNanos = a.startedNanos;
  event.cachedTokens = p.sequence->cached;
  event.preemptions = p.sequence->preemptions;
  if (sampling.topLogprobs)
    event.alternatives = alternatives;
  const bool stop = std::find(stops.begin(), stops.end(), event.token) != stops.end();
  const bool finished = scheduler.append(*p.sequence, event.token, stop);
  event.finish = stop ? FinishReason::Stop : finished ? FinishReason::Length : FinishReason::None;
  if (sampling.changesLogits())
    a.history.addGenerated(event.token);
  if (a.request.mask && !stop)
    a.request.mask->accept(event.token);
  if (finished)
    end(a);
  listener.onToken(event);
}

PromptView Generator::promptOf(uint64_t request) const {
  for (const auto &a : active)
    if (a->number == request)
      return {a->request.prompt, a->request.sampling.topLogprobs, a->request.scoreOnly};
  return {};
}

void Generator::cancel(uint64_t request) {
  const auto at = std::find_if(active.begin(), active.end(),
                               [&](const auto &a) { return a->number == request; });
  if (at != active.end())
    end(**at);
}

} // namespace tenon::generate
