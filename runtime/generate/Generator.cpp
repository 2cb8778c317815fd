//===- Generator.cpp - Scheduler, executor and sampler together -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Generator.h"

#include "runtime/base/Clock.h"
#include "runtime/executor/MicroBatches.h"

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
  bool cancelled = false; ///< It goes when the step that has rows of it ends.
  std::optional<Pooler> pooler;
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
                                          bool prefixTree, kv::PrefixDirectory *directory) {
  return {c.stepTokens,        c.logitRows, c.sequences, c.context,
          plan.kv.blockTokens, c.kvBlocks,  prefixTree,  directory};
}

Generator::Generator(executor::Executor &e, const engine::Plan &plan, bool prefixTree,
                     kv::PrefixDirectory *directory)
    : executor(e), vocabulary(plan.model.vocabulary),
      scheduler(limitsOf(e.capacity(), plan, prefixTree, directory)),
      stepDraws(vocabulary, e.numWorkers(), e.capacity().sequences) {
  rows.reserve(e.capacity().sequences);
  flights.resize(e.maxInFlight());
  for (Flight &flight : flights) {
    flight.planned.reserve(e.capacity().sequences);
    flight.requests.reserve(e.capacity().sequences);
  }
}

Generator::~Generator() { loseFlights(); }

StatusOr<uint64_t> Generator::add(Request request) {
  TENON_RETURN_IF_ERROR(request.sampling.validate(vocabulary));
  for (int32_t token : request.prompt)
    if (token < 0 || uint32_t(token) >= vocabulary)
      return Status::invalidArgument(
          fmt::format("prompt token {} lies outside the vocabulary of {}", token, vocabulary));
  const bool pools = request.pooling != Pooling::None;
  std::optional<executor::HiddenState> states;
  if (pools) {
    std::string why;
    states = executor.hiddenState(&why);
    if (!states)
      return Status::unsupported(why);
    if (request.scoreOnly || request.promptLogits)
      return Status::invalidArgument("a request that is pooled has no logits to report");
  }
  if (request.scoreOnly || pools)
    request.maxNewTokens = 0;
  else if (request.maxNewTokens == 0)
    return Status::invalidArgument("a request must ask for at least one new token");
  for (int32_t token : request.stopTokens)
    if (token < 0 || uint32_t(token) >= vocabulary)
      return Status::invalidArgument(
          fmt::format("stop token {} lies outside the vocabulary of {}", token, vocabulary));
  auto sequence = scheduler.add({nextRequest, request.prompt, request.maxNewTokens,
                                 request.scoreOnly || request.promptLogits, pools,
                                 request.pooling == Pooling::Mean, request.priority});
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
  if (pools)
    entry->pooler.emplace(request.pooling, static_cast<uint32_t>(request.prompt.size()),
                          states->width);
  entry->request = std::move(request);
  active.push_back(std::move(entry));
  return active.back()->number;
}

StatusOr<bool> Generator::begin() {
  Flight &flight = flightAt(inFlight);
  flight.began = nowNanos();
  flight.times = {};
  flight.promptRows = 0;
  schedule::StepRoom room;
  room.logitRows = executor.freeLogitRows();
  room.rows = pace.rows();
  // Shares of those that run, but no smaller than what a stage computes as fast as one row.
  const auto depth = static_cast<uint32_t>(flights.size());
  if (depth > 1)
    room.decodes =
        std::max((scheduler.runningCount() + depth - 1) / depth, executor::kRowsReadTogether);
  scheduler.planStep(flight.planned, room);
  if (flight.planned.empty())
    return false;
  rows.clear();
  flight.requests.clear();
  StepTimes &times = flight.times;
  for (const schedule::ScheduledRows &p : flight.planned) {
    const schedule::Sequence &s = *p.sequence;
    Active &a = *find(s.id);
    rows.push_back({std::span<const int32_t>(s.tokens).subspan(p.first, p.count), p.first,
                    s.table.blocks(), p.logitRows, a.pooler.has_value()});
    flight.requests.push_back(&a);
    if (p.first < s.promptTokens) {
      flight.promptRows += std::min(p.count, s.promptTokens - p.first);
      if (a.startedNanos == 0)
        a.startedNanos = flight.began;
    }
    times.rows += p.count;
    times.logitRows += p.logitRows;
    times.positions += uint64_t(p.first) + p.count;
    times.context += uint64_t(p.count) * p.first + uint64_t(p.count) * (p.count + 1) / 2;
  }
  times.promptRows = static_cast<uint32_t>(flight.promptRows);
  times.schedule = nowNanos() - flight.began;
  TENON_RETURN_IF_ERROR(executor.start(rows));
  scheduler.stepBegun(flight.planned);
  ++inFlight;
  return true;
}

/// Gives up what is under way, after an error or at the end.
void Generator::loseFlights() {
  for (; inFlight > 0; --inFlight) {
    (void)executor.finish(); // The first error is known.
    Flight &flight = flightAt(0);
    scheduler.stepLost(flight.planned);
    for (const Active *a : flight.requests)
      if (a->cancelled)
        end(*a);
    firstFlight = (firstFlight + 1) % flights.size();
  }
}

Status Generator::step(Listener &listener) {
  Status status;
  while (status && inFlight < flights.size()) {
    auto begun = begin();
    status = begun.status();
    if (!begun || !*begun)
      break;
  }
  if (status && inFlight == 0)
    return scheduler.hasWork() ? Status::internal("the scheduler has work and plans none")
                               : Status::ok();
  if (status)
    status = finish(listener);
  if (!status)
    loseFlights();
  return status;
}

/// Ends the oldest step under way.
Status Generator::finish(Listener &listener) {
  TENON_RETURN_IF_ERROR(executor.finish());
  const uint64_t computed = nowNanos();
  Flight &flight = flightAt(0);
  firstFlight = (firstFlight + 1) % flights.size();
  --inFlight;
  times = flight.times;
  scheduler.stepDone(flight.planned);
  times.kvSlots = scheduler.slots();
  stepDraws.clear();
  for (size_t i = 0; i < flight.planned.size(); ++i)
    if (draws(flight.planned[i], *flight.requests[i]))
      collect(flight.planned[i], *flight.requests[i]);
  stepDraws.run(executor);
  times.grammar += stepDraws.maskNanos();
  size_t next = 0;
  uint32_t row = 0;
  for (size_t i = 0; i < flight.planned.size(); row += flight.planned[i++].count) {
    if (flight.requests[i]->pooler)
      pool(*flight.requests[i], flight.planned[i], row, listener);
    else
      deliver(*flight.requests[i], flight.planned[i], next, listener);
  }

  // Of steps that overlap each has the time since the one before it ended.
  const uint64_t ended = nowNanos();
  const uint64_t took = ended - std::max(flight.began, lastEnded);
  lastEnded = ended;
  times.sample = ended - computed - std::min(ended - computed, times.grammar);
  times.execute = took - std::min(took, times.schedule + (ended - computed));
  pace.observe(times.rows, times.promptRows, took);
  ++totals.steps;
  totals.computeNanos += times.execute;
  if (flight.promptRows) {
    ++totals.prefillSteps;
    totals.promptTokens += flight.promptRows;
    totals.prefillNanos += took;
  } else {
    totals.decodeTokens += stepDraws.results().size();
    totals.decodeNanos += took;
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

void Generator::pool(Active &a, const schedule::ScheduledRows &p, uint32_t row,
                     Listener &listener) {
  if (a.cancelled)
    return end(a);
  a.pooler->add(*executor.hiddenState(), row, p.first, p.count);
  if (p.sequence->pending() > 0)
    return;
  PooledEvent event;
  event.request = a.number;
  event.startedNanos = a.startedNanos;
  event.cachedTokens = p.sequence->cached;
  event.preemptions = p.sequence->preemptions;
  event.vector = a.pooler->finish();
  listener.onPooled(event);
  end(a); // The vector is its own.
}

bool Generator::draws(const schedule::ScheduledRows &p, const Active &a) {
  return p.logitRows > 0 && p.sequence->pending() == 0 && !a.request.scoreOnly && !a.cancelled;
}

void Generator::collect(const schedule::ScheduledRows &p, Active &a) {
  StepDraws::Draw &draw = stepDraws.add();
  const uint32_t row = p.logitBase + p.logitRows - 1;
  draw.logits = executor.logitsToDraw(row);
  draw.maxima = executor.logitMaxima(row);
  draw.mask = a.request.mask.get();
  draw.params = &a.request.sampling;
  draw.history = &a.history;
  draw.index = p.sequence->generated();
  draw.limits = {};
  if (draw.index < a.request.minNewTokens)
    draw.limits.banned = a.request.stopTokens;
}

void Generator::deliver(Active &a, const schedule::ScheduledRows &p, size_t &nextDraw,
                        Listener &listener) {
  if (a.cancelled)
    return end(a);
  if (p.sequence->allLogits)
    reportPrompt(a, p, listener);
  if (!draws(p, a)) {
    if (a.request.scoreOnly && p.sequence->pending() == 0)
      end(a);
    return;
  }
  const StepDraws::Draw &draw = stepDraws.results()[nextDraw++];
  const auto &stops = a.request.stopTokens;
  sample::TokenMask *const mask = draw.mask;
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
  if (mask && !stop && !finished) {
    const uint64_t accepting = nowNanos();
    mask->accept(event.token);
    times.grammar += nowNanos() - accepting;
  }
  if (finished)
    end(a);
  listener.onToken(event);
}

PromptView Generator::promptOf(uint64_t request) const {
  const Active *a = find(request);
  return a && !a->cancelled
             ? PromptView{a->request.prompt, a->request.sampling.topLogprobs, a->request.scoreOnly}
             : PromptView{};
}

void Generator::cancel(uint64_t request) {
  Active *a = find(request);
  if (a && a->sequence->inFlight)
    a->cancelled = true;
  else if (a)
    end(*a);
}

} // namespace tenon::generate
