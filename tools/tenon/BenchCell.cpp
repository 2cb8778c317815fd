//===- BenchCell.cpp - Prefill and decode of one cell ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchCell.h"

#include "runtime/base/Clock.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/sample/Philox.h"
#include "tools/tenon/RunDelay.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tenon::tool {

namespace {

/// Decode steps that are watched launch by launch.
constexpr uint32_t kWatchedSteps = 16;

/// When each request's first token came; for a generator's first requests.
class FirstTokens : public generate::Listener {
public:
  void onToken(const generate::TokenEvent &event) override {
    if (event.request >= milliseconds.size())
      milliseconds.resize(event.request + 1, 0);
    double &first = milliseconds[event.request];
    if (first == 0)
      first = watch.milliseconds();
  }
  std::vector<double> milliseconds;

private:
  const Stopwatch watch;
};

Percentiles percentiles(std::vector<double> samples) {
  if (samples.empty())
    return {};
  std::sort(samples.begin(), samples.end());
  // Nearest rank.
  const auto at = [&](double share) {
    const auto rank = static_cast<size_t>(std::ceil(share * double(samples.size())));
    return samples[std::min(std::max<size_t>(rank, 1), samples.size()) - 1];
  };
  return {at(0.5), at(0.95), at(0.99)};
}

/// The sample with the median time; of an even number the faster of the two in the middle.
const Sample &medianOf(std::vector<Sample> &samples) {
  std::sort(samples.begin(), samples.end(),
            [](const Sample &a, const Sample &b) { return a.seconds < b.seconds; });
  return samples[(samples.size() - 1) / 2];
}

/// What all phases tell of their samples. Returns the median one.
template <typename Phase> const Sample &record(Phase &phase, std::vector<Sample> &samples) {
  for (const Sample &s : samples)
    phase.samples.push_back(s.seconds);
  const Sample &median = medianOf(samples);
  phase.tokens = median.tokens;
  phase.steps = median.steps;
  phase.seconds = median.seconds;
  phase.bestSeconds = samples.front().seconds;
  phase.hostSeconds = median.hostSeconds;
  return median;
}

} // namespace

CellRun::CellRun(Session &session, const BenchOptions &o, uint32_t sequences, uint32_t tokens)
    : session(session), options(o), sequences(sequences), promptTokens(std::max(tokens, 1u)),
      replicas(std::min(session.plan().replicas, sequences)),
      most((sequences + replicas - 1) / replicas) {
  executor::CapacityRequest &c = wanted;
  const engine::Plan &plan = session.plan();
  c.stepTokens = o.run.stepTokens.value_or(std::max(most, plan.limits.defaultStepTokens));
  // Before all sequences decode together, some may have drawn a token in steps that still had
  // prompt rows: at most a block's rows of each are left to compute (see fill()).
  // On a pipeline it takes some more until the sequences are evenly spread over the steps under
  // way.
  leadTokens =
      most * plan.kv.blockTokens / std::max(*c.stepTokens, 1u) + 2 * executor::stagesOf(plan);
  const uint64_t positions = uint64_t(promptTokens) + o.newTokens + leadTokens;
  c.sequences = most;
  c.context = static_cast<uint32_t>(std::min<uint64_t>(positions, UINT32_MAX));
  c.kvBytes =
      (positions + plan.kv.blockTokens - 1) / plan.kv.blockTokens * most * plan.kv.bytesPerBlock;
}

Status CellRun::check() const {
  const engine::LimitsPlan &limits = session.plan().limits;
  if (*wanted.context > limits.maxContext)
    return Status::invalidArgument(fmt::format(
        "bench: {} tokens in the cache, {} new ones and {} between the phases are {} positions; "
        "the engine allows {}. Ask for fewer, or compile with a larger --max-context",
        promptTokens, options.newTokens, leadTokens, *wanted.context, limits.maxContext));
  if (most > limits.maxSequences)
    return Status::invalidArgument(fmt::format("bench: {} sequences{}; the engine allows {}", most,
                                               replicas > 1 ? " for a replica" : "",
                                               limits.maxSequences));
  return Status::ok();
}

Status CellRun::prepare(Watch watch) {
  lanes.clear();
  session.releaseExecutor();
  if (watch == Watch::Nothing)
    resetPeakResident();
  TENON_RETURN_IF_ERROR(session.prepare(wanted, watch, replicas));
  for (uint32_t r = 0; r < replicas; ++r)
    lanes.push_back({session.replicas()[r],
                     r,
                     (sequences - r + replicas - 1) / replicas,
                     nullptr,
                     {},
                     {},
                     {},
                     {}});
  return warmUp();
}

Status CellRun::add(Lane &lane, uint32_t tokens, uint32_t newTokens, uint64_t *firstNumber) const {
  for (uint32_t s = lane.replica; s < sequences; s += replicas) {
    generate::Request request;
    request.maxNewTokens = newTokens;
    request.prompt.resize(tokens);
    for (uint32_t i = 0; i < tokens; ++i)
      request.prompt[i] =
          static_cast<int32_t>(sample::uniformDraw(s, i) * session.plan().model.vocabulary);
    auto added = lane.generator->add(std::move(request));
    if (!added)
      return added.status();
    if (s == lane.replica && firstNumber)
      *firstNumber = *added;
  }
  return Status::ok();
}

void CellRun::renewGenerators() {
  for (Lane &lane : lanes) {
    lane.generator.reset(); // Before the next takes the executor.
    lane.generator =
        std::make_unique<generate::Generator>(lane.executor, session.plan(), /*prefixTree=*/true);
  }
}

/// Touches weights, pages and code once.
Status CellRun::warmUp() {
  renewGenerators();
  return session.replicas().onEach([&](uint32_t r) -> Status {
    TENON_RETURN_IF_ERROR(add(lanes[r], std::min(promptTokens, 16u), 2));
    generate::Listener nobody;
    while (lanes[r].generator->hasWork())
      TENON_RETURN_IF_ERROR(lanes[r].generator->step(nobody));
    return Status::ok();
  });
}

Sample CellRun::together() const {
  Sample all;
  for (const Lane &lane : lanes) {
    all.tokens += lane.sample.tokens;
    all.steps = std::max(all.steps, lane.sample.steps);
    all.seconds = std::max(all.seconds, lane.sample.seconds);
    all.hostSeconds = std::max(all.hostSeconds, lane.sample.hostSeconds);
    all.ttftMs += lane.sample.ttftMs * lane.sequences / sequences;
  }
  return all;
}

std::vector<double> CellRun::takeAll(std::vector<double> Lane::*samples) {
  std::vector<double> all;
  for (Lane &lane : lanes) {
    all.insert(all.end(), (lane.*samples).begin(), (lane.*samples).end());
    (lane.*samples).clear();
  }
  return all;
}

StatusOr<Sample> CellRun::fillAll(const Watchers &watchers) {
  TENON_RETURN_IF_ERROR(session.replicas().onEach(
      [&](uint32_t r) { return fill(lanes[r], r == 0 ? watchers : Watchers()); }));
  return together();
}

StatusOr<Sample> CellRun::decodeAll(uint32_t steps, const Watchers &watchers) {
  TENON_RETURN_IF_ERROR(session.replicas().onEach(
      [&](uint32_t r) { return decode(lanes[r], steps, r == 0 ? watchers : Watchers()); }));
  return together();
}

/// Computes every sequence's prompt up to its first token. The generator's prefix tree keeps all
/// whole blocks, so that decode() begins with them in place.
Status CellRun::fill(Lane &lane, const Watchers &watchers) const {
  generate::Generator &generator = *lane.generator;
  TENON_RETURN_IF_ERROR(add(lane, promptTokens, 1));
  const generate::StepStats before = generator.stats();
  FirstTokens first;
  while (generator.hasWork()) {
    lane.executor.resetTimings();
    TENON_RETURN_IF_ERROR(generator.step(first));
    TENON_RETURN_IF_ERROR(watchers.see(lane.executor, generator));
  }
  const generate::StepStats &after = generator.stats();
  const double compute = double(after.computeNanos - before.computeNanos) * 1e-9;
  Sample &sample = lane.sample = {};
  sample.tokens = after.promptTokens - before.promptTokens;
  sample.steps = after.steps - before.steps;
  sample.seconds =
      double(after.prefillNanos + after.decodeNanos - before.prefillNanos - before.decodeNanos) *
      1e-9;
  sample.hostSeconds = sample.seconds - compute;
  double sum = 0;
  for (double ms : first.milliseconds)
    sum += ms;
  sample.ttftMs = sum / lane.sequences;
  lane.ttftMs.insert(lane.ttftMs.end(), first.milliseconds.begin(), first.milliseconds.end());
  return Status::ok();
}

/// Decodes all sequences of the lane together for `steps` steps. Where several steps are under way,
/// each with some of the sequences, those that give every sequence a token count as one.
Status CellRun::decode(Lane &lane, uint32_t steps, const Watchers &watchers) const {
  generate::Generator &generator = *lane.generator;
  const uint32_t own = lane.sequences;
  uint64_t firstRequest = 0;
  const uint64_t computed = generator.stats().promptTokens;
  TENON_RETURN_IF_ERROR(add(lane, promptTokens, steps + leadTokens, &firstRequest));
  generate::Listener nobody;
  const RunDelay delay;
  Sample &sample = lane.sample = {};
  // Steps with all prompts behind them: those after as many tokens as there are sequences came from
  // steps without prompt rows, one after the other.
  uint64_t settled = 0, drawn = 0, delayed = 0;
  double seconds = 0;
  while (sample.steps < steps && generator.hasWork()) {
    lane.executor.resetTimings();
    const uint64_t delayBefore = delay.nanos();
    const generate::StepStats before = generator.stats();
    TENON_RETURN_IF_ERROR(generator.step(nobody));
    const generate::StepStats &after = generator.stats();
    const uint64_t tokens = after.decodeTokens - before.decodeTokens;
    if (after.promptTokens != before.promptTokens)
      settled = 0; // prompt rows are left, or some sequences are not there yet
    if (tokens != own && settled < own) {
      settled += tokens;
      continue;
    }
    settled = own;
    const double took = double(after.decodeNanos - before.decodeNanos) * 1e-9;
    seconds += took;
    drawn += tokens;
    delayed += delay.nanos() - delayBefore;
    sample.hostSeconds += took - double(after.computeNanos - before.computeNanos) * 1e-9;
    TENON_RETURN_IF_ERROR(watchers.see(lane.executor, generator, /*more=*/drawn < own));
    if (drawn < own)
      continue;
    ++sample.steps;
    sample.tokens += drawn;
    sample.seconds += seconds;
    lane.stepMs.push_back(seconds * 1e3);
    lane.stepTimes.add(seconds, delayed);
    seconds = 0;
    drawn = delayed = 0;
  }
  for (uint32_t s = 0; s < own; ++s)
    generator.cancel(firstRequest + s);
  // Else blocks that fill() left were evicted, and what was decoded after was something else.
  const uint64_t again = generator.stats().promptTokens - computed;
  if (again > uint64_t(own) * session.plan().kv.blockTokens)
    return Status::internal(fmt::format("{} prompt tokens were computed again", again));
  if (sample.steps < steps)
    return Status::internal(
        fmt::format("{} of {} decode steps had all {} sequences", sample.steps, steps, own));
  return Status::ok();
}

Status CellRun::measure(Cell &cell, bool wantPrefill, bool wantDecode) {
  TENON_RETURN_IF_ERROR(prepare());
  std::vector<Sample> fills, decodes;
  Times fillTimes, stepTimes;
  const RunDelay delay;
  for (uint32_t r = 0; r < (wantPrefill ? options.repeat : 1); ++r) {
    renewGenerators();
    const uint64_t delayBefore = delay.nanos();
    auto filled = fillAll({r == 0 ? &cell.prefillWork : nullptr});
    if (!filled)
      return filled.status();
    fills.push_back(*filled);
    fillTimes.add(filled->seconds, delay.nanos() - delayBefore);
  }
  for (uint32_t r = 0; wantDecode && r < options.repeat; ++r) {
    auto decoded = decodeAll(options.newTokens, {r == 0 ? &cell.decodeWork : nullptr});
    if (!decoded)
      return decoded.status();
    decodes.push_back(*decoded);
  }
  cell.replicas = replicas;
  if (wantPrefill) {
    cell.prefill.ttftMs = record(cell.prefill, fills).ttftMs;
    cell.prefill.ttft = percentiles(takeAll(&Lane::ttftMs));
    cell.prefill.undisturbed = fillTimes.summary();
  }
  if (wantDecode) {
    record(cell.decode, decodes);
    cell.decode.stepMs = percentiles(takeAll(&Lane::stepMs));
    for (const Lane &lane : lanes)
      stepTimes.append(lane.stepTimes);
    cell.decode.undisturbed = stepTimes.summary();
  }
  cell.plannedBytes = session.plannedBytes();
  cell.peakBytes = peakResidentBytes();
  if (!options.run.cluster)
    return Status::ok();
  auto reports = session.executor().reports();
  if (reports)
    cell.processes = std::move(*reports);
  return reports.status();
}

Status CellRun::measureLaunches(Cell &cell, bool wantPrefill, bool wantDecode) {
  TENON_RETURN_IF_ERROR(prepare(Watch::Launches));
  Ledger prefill(session.plan(), session.engine().variant(), replicas), decoding = prefill;
  for (uint32_t f = 0; f < options.watchedFills; ++f) {
    renewGenerators();
    if (auto filled = fillAll({&prefill}); !filled)
      return filled.status();
    if (!wantDecode)
      continue;
    if (auto decoded = decodeAll(std::min(options.newTokens, kWatchedSteps), {&decoding}); !decoded)
      return decoded.status();
  }
  if (wantPrefill)
    cell.prefillWork = std::move(prefill);
  if (wantDecode)
    cell.decodeWork = std::move(decoding);
  cell.timed = true;
  return Status::ok();
}

Status CellRun::traceChips(Cell &cell, bool wantDecode) {
  TENON_RETURN_IF_ERROR(prepare(Watch::Trace));
  cell.trace = std::make_unique<StepTrace>(session.plan(), session.executor(),
                                           /*keepEvents=*/!options.trace.empty());
  renewGenerators();
  const Watchers watchers = {nullptr, cell.trace.get()};
  auto sample = fillAll(watchers);
  if (sample && wantDecode)
    sample = decodeAll(std::min(options.newTokens, kWatchedSteps), watchers);
  return sample.status();
}

} // namespace tenon::tool
