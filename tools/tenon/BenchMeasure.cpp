//===- BenchMeasure.cpp - The rows of tenon bench -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchMeasure.h"

#include "runtime/base/Clock.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/generate/Generator.h"
#include "runtime/sample/Philox.h"
#include "tools/tenon/RunDelay.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unistd.h>

namespace tenon::tool {

namespace {

/// Decode steps that are watched launch by launch.
constexpr uint32_t kWatchedSteps = 16;

/// One phase of one repetition.
struct Sample {
  uint64_t tokens = 0, steps = 0;
  double seconds = 0, hostSeconds = 0, ttftMs = 0;
};

/// Times, and whether somebody else took a processor meanwhile.
struct Times {
  std::vector<double> undisturbed, all; ///< Seconds.

  void add(double seconds, uint64_t delayNanos) {
    all.push_back(seconds);
    if (double(delayNanos) * 1e-9 <= seconds / 50 + 1e-6)
      undisturbed.push_back(seconds);
  }
  Undisturbed summary() {
    std::vector<double> &counted = undisturbed.size() * 10 >= all.size() ? undisturbed : all;
    if (counted.empty())
      return {};
    std::sort(counted.begin(), counted.end());
    return {counted[(counted.size() - 1) / 2], undisturbed.size(), all.size()};
  }
};

/// Who looks at the steps of a phase; none, one or both.
struct Watchers {
  Ledger *ledger = nullptr;
  StepTrace *trace = nullptr;
  Status see(Session &session, const generate::Generator &generator, bool more = false) const {
    if (ledger)
      ledger->add(session.executor().microBatches(), session.executor().timings(), more);
    if (!trace)
      return Status::ok();
    TENON_RETURN_IF_ERROR(session.executor().collectTrace());
    trace->add(session.executor(), generator.lastStep());
    return Status::ok();
  }
};

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

/// Measures one cell on one executor.
class CellRun {
public:
  CellRun(Session &session, const BenchOptions &o, uint32_t sequences, uint32_t tokens)
      : session(session), options(o), sequences(sequences), promptTokens(std::max(tokens, 1u)) {
    executor::CapacityRequest &c = wanted;
    const engine::Plan &plan = session.plan();
    c.stepTokens = o.run.stepTokens.value_or(std::max(sequences, plan.limits.defaultStepTokens));
    // Before all sequences decode together, some may have drawn a token in steps that still had
    // prompt rows: at most a block's rows of each are left to compute (see fill()).
    // On a pipeline it takes some more until the sequences are evenly spread over the steps under way.
    leadTokens = sequences * plan.kv.blockTokens / std::max(*c.stepTokens, 1u) +
                 2 * executor::stagesOf(plan);
    const uint64_t positions = uint64_t(promptTokens) + o.newTokens + leadTokens;
    c.sequences = sequences;
    c.context = static_cast<uint32_t>(std::min<uint64_t>(positions, UINT32_MAX));
    c.kvBytes = (positions + plan.kv.blockTokens - 1) / plan.kv.blockTokens * sequences *
                plan.kv.bytesPerBlock;
  }

  /// Whether the engine allows it.
  Status check() const {
    const engine::LimitsPlan &limits = session.plan().limits;
    if (*wanted.context > limits.maxContext)
      return Status::invalidArgument(fmt::format(
          "bench: {} tokens in the cache, {} new ones and {} between the phases are {} positions; "
          "the engine allows {}. Ask for fewer, or compile with a larger --max-context",
          promptTokens, options.newTokens, leadTokens, *wanted.context, limits.maxContext));
    if (sequences > limits.maxSequences)
      return Status::invalidArgument(
          fmt::format("bench: {} sequences; the engine allows {}", sequences, limits.maxSequences));
    return Status::ok();
  }

  Status measure(Cell &cell, bool wantPrefill, bool wantDecode);
  Status measureLaunches(Cell &cell, bool wantPrefill, bool wantDecode);
  Status traceChips(Cell &cell, bool wantDecode);

private:
  Status add(generate::Generator &generator, uint32_t tokens, uint32_t newTokens,
             uint64_t *firstNumber = nullptr) const;
  Status warmUp();
  Status fill(generate::Generator &generator, Sample &sample, std::vector<double> &ttftMs,
              const Watchers &watchers);
  Status decode(generate::Generator &generator, uint32_t steps, Sample &sample,
                std::vector<double> &stepMs, const Watchers &watchers);
  std::unique_ptr<generate::Generator> newGenerator() const {
    return std::make_unique<generate::Generator>(session.executor(), session.plan(),
                                                 /*prefixTree=*/true);
  }

  Session &session;
  const BenchOptions &options;
  const uint32_t sequences, promptTokens;
  uint32_t leadTokens = 0;
  Times stepTimes; ///< Of decode().
  executor::CapacityRequest wanted;
};

Status CellRun::add(generate::Generator &generator, uint32_t tokens, uint32_t newTokens,
                    uint64_t *firstNumber) const {
  for (uint32_t s = 0; s < sequences; ++s) {
    generate::Request request;
    request.maxNewTokens = newTokens;
    request.prompt.resize(tokens);
    for (uint32_t i = 0; i < tokens; ++i)
      request.prompt[i] =
          static_cast<int32_t>(sample::uniformDraw(s, i) * session.plan().model.vocabulary);
    auto added = generator.add(std::move(request));
    if (!added)
      return added.status();
    if (s == 0 && firstNumber)
      *firstNumber = *added;
  }
  return Status::ok();
}

/// Touches weights, pages and code once.
Status CellRun::warmUp() {
  generate::Generator generator(session.executor(), session.plan());
  TENON_RETURN_IF_ERROR(add(generator, std::min(promptTokens, 16u), 2));
  generate::Listener nobody;
  while (generator.hasWork())
    TENON_RETURN_IF_ERROR(generator.step(nobody));
  return Status::ok();
}

/// Computes every sequence's prompt up to its first token. The generator's prefix tree keeps all
/// whole blocks, so that decode() begins with them in place.
Status CellRun::fill(generate::Generator &generator, Sample &sample, std::vector<double> &ttftMs,
                     const Watchers &watchers) {
  TENON_RETURN_IF_ERROR(add(generator, promptTokens, 1));
  const generate::StepStats before = generator.stats();
  FirstTokens first;
  while (generator.hasWork()) {
    session.executor().resetTimings();
    TENON_RETURN_IF_ERROR(generator.step(first));
    TENON_RETURN_IF_ERROR(watchers.see(session, generator));
  }
  const generate::StepStats &after = generator.stats();
  const double compute = double(after.computeNanos - before.computeNanos) * 1e-9;
  sample.tokens = after.promptTokens - before.promptTokens;
  sample.steps = after.steps - before.steps;
  sample.seconds =
      double(after.prefillNanos + after.decodeNanos - before.prefillNanos - before.decodeNanos) *
      1e-9;
  sample.hostSeconds = sample.seconds - compute;
  double sum = 0;
  for (double ms : first.milliseconds)
    sum += ms;
  sample.ttftMs = sum / sequences;
  ttftMs.insert(ttftMs.end(), first.milliseconds.begin(), first.milliseconds.end());
  return Status::ok();
}

/// Decodes all sequences together for `steps` steps. Where several steps are under way, each with some of the
/// sequences, those that give every sequence a token count as one.
Status CellRun::decode(generate::Generator &generator, uint32_t steps, Sample &sample,
                       std::vector<double> &stepMs, const Watchers &watchers) {
  uint64_t firstRequest = 0;
  const uint64_t computed = generator.stats().promptTokens;
  TENON_RETURN_IF_ERROR(add(generator, promptTokens, steps + leadTokens, &firstRequest));
  generate::Listener nobody;
  const RunDelay delay;
  // Steps with all prompts behind them: those after as many tokens as there are sequences came from steps without
  // prompt rows, one after the other.
  uint64_t settled = 0, drawn = 0, delayed = 0;
  double seconds = 0;
  while (sample.steps < steps && generator.hasWork()) {
    session.executor().resetTimings();
    const uint64_t delayBefore = delay.nanos();
    const generate::StepStats before = generator.stats();
    TENON_RETURN_IF_ERROR(generator.step(nobody));
    const generate::StepStats &after = generator.stats();
    const uint64_t tokens = after.decodeTokens - before.decodeTokens;
    if (after.promptTokens != before.promptTokens)
      settled = 0; // prompt rows are left, or some sequences are not there yet
    if (tokens != sequences && settled < sequences) {
      settled += tokens;
      continue;
    }
    settled = sequences;
    const double took = double(after.decodeNanos - before.decodeNanos) * 1e-9;
    seconds += took;
    drawn += tokens;
    delayed += delay.nanos() - delayBefore;
    sample.hostSeconds += took - double(after.computeNanos - before.computeNanos) * 1e-9;
    TENON_RETURN_IF_ERROR(watchers.see(session, generator, /*more=*/drawn < sequences));
    if (drawn < sequences)
      continue;
    ++sample.steps;
    sample.tokens += drawn;
    sample.seconds += seconds;
    stepMs.push_back(seconds * 1e3);
    stepTimes.add(seconds, delayed);
    seconds = 0;
    drawn = delayed = 0;
  }
  for (uint32_t s = 0; s < sequences; ++s)
    generator.cancel(firstRequest + s);
  // Else blocks that fill() left were evicted, and what was decoded after was something else.
  const uint64_t again = generator.stats().promptTokens - computed;
  if (again > uint64_t(sequences) * session.plan().kv.blockTokens)
    return Status::internal(fmt::format("{} prompt tokens were computed again", again));
  if (sample.steps < steps)
    return Status::internal(
        fmt::format("{} of {} decode steps had all {} sequences", sample.steps, steps, sequences));
  return Status::ok();
}

Status CellRun::measure(Cell &cell, bool wantPrefill, bool wantDecode) {
  session.releaseExecutor();
  resetPeakResident();
  TENON_RETURN_IF_ERROR(session.prepare(wanted));
  TENON_RETURN_IF_ERROR(warmUp());
  std::vector<Sample> fills, decodes;
  std::vector<double> ttftMs, stepMs;
  std::unique_ptr<generate::Generator> generator;
  Times fillTimes;
  const RunDelay delay;
  for (uint32_t r = 0; r < (wantPrefill ? options.repeat : 1); ++r) {
    generator.reset();
    generator = newGenerator();
    const uint64_t delayBefore = delay.nanos();
    TENON_RETURN_IF_ERROR(
        fill(*generator, fills.emplace_back(), ttftMs, {r == 0 ? &cell.prefillWork : nullptr}));
    fillTimes.add(fills.back().seconds, delay.nanos() - delayBefore);
  }
  for (uint32_t r = 0; wantDecode && r < options.repeat; ++r)
    TENON_RETURN_IF_ERROR(decode(*generator, options.newTokens, decodes.emplace_back(), stepMs,
                                 {r == 0 ? &cell.decodeWork : nullptr}));
  if (wantPrefill) {
    for (const Sample &s : fills)
      cell.prefill.samples.push_back(s.seconds);
    const Sample median = medianOf(fills);
    cell.prefill.tokens = median.tokens;
    cell.prefill.steps = median.steps;
    cell.prefill.seconds = median.seconds;
    cell.prefill.bestSeconds = fills.front().seconds;
    cell.prefill.hostSeconds = median.hostSeconds;
    cell.prefill.ttftMs = median.ttftMs;
    cell.prefill.ttft = percentiles(std::move(ttftMs));
    cell.prefill.undisturbed = fillTimes.summary();
  }
  if (wantDecode) {
    for (const Sample &s : decodes)
      cell.decode.samples.push_back(s.seconds);
    const Sample median = medianOf(decodes);
    cell.decode.tokens = median.tokens;
    cell.decode.steps = median.steps;
    cell.decode.seconds = median.seconds;
    cell.decode.bestSeconds = decodes.front().seconds;
    cell.decode.hostSeconds = median.hostSeconds;
    cell.decode.stepMs = percentiles(std::move(stepMs));
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
  session.releaseExecutor();
  TENON_RETURN_IF_ERROR(session.prepare(wanted, Watch::Launches));
  TENON_RETURN_IF_ERROR(warmUp());
  Sample sample;
  std::vector<double> samples;
  Ledger prefill(session.plan(), session.engine().variant()), decoding = prefill;
  std::unique_ptr<generate::Generator> generator;
  for (uint32_t f = 0; f < options.watchedFills; ++f) {
    generator.reset();
    generator = newGenerator();
    TENON_RETURN_IF_ERROR(fill(*generator, sample, samples, {&prefill}));
    sample = {};
    if (wantDecode)
      TENON_RETURN_IF_ERROR(decode(*generator, std::min(options.newTokens, kWatchedSteps), sample,
                                   samples, {&decoding}));
  }
  if (wantPrefill)
    cell.prefillWork = std::move(prefill);
  if (wantDecode)
    cell.decodeWork = std::move(decoding);
  cell.timed = true;
  return Status::ok();
}

Status CellRun::traceChips(Cell &cell, bool wantDecode) {
  session.releaseExecutor();
  TENON_RETURN_IF_ERROR(session.prepare(wanted, Watch::Trace));
  TENON_RETURN_IF_ERROR(warmUp());
  cell.trace = std::make_unique<StepTrace>(session.plan(), session.executor(),
                                           /*keepEvents=*/!options.trace.empty());
  generate::Generator generator(session.executor(), session.plan(), /*prefixTree=*/true);
  Sample sample;
  std::vector<double> samples;
  const Watchers watchers = {nullptr, cell.trace.get()};
  TENON_RETURN_IF_ERROR(fill(generator, sample, samples, watchers));
  sample = {};
  return wantDecode ? decode(generator, std::min(options.newTokens, kWatchedSteps), sample,
                             samples, watchers)
                    : Status::ok();
}

bool contains(const std::vector<uint32_t> &list, uint32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

} // namespace

StatusOr<BenchResults> measureGrid(Session &session, const BenchOptions &o) {
  const std::vector<uint32_t> &contexts = o.contexts.empty() ? o.promptTokens : o.contexts;
  std::vector<uint32_t> lengths = o.promptTokens;
  for (uint32_t context : contexts)
    if (!contains(lengths, context))
      lengths.push_back(context);
  for (uint32_t sequences : o.sequences)
    for (uint32_t tokens : lengths)
      TENON_RETURN_IF_ERROR(CellRun(session, o, sequences, tokens).check());

  BenchResults results;
  const LaunchDetail detail = o.launches.value_or(o.json ? LaunchDetail::All : LaunchDetail::First);
  for (uint32_t sequences : o.sequences) {
    const size_t firstCell = results.cells.size();
    for (uint32_t tokens : lengths) {
      const bool wantPrefill = contains(o.promptTokens, tokens);
      const bool wantDecode = contains(contexts, tokens);
      if (isatty(STDERR_FILENO))
        fmt::print(stderr, "measuring {} sequences at {} tokens\n", sequences, tokens);
      const Ledger none(session.plan(), session.engine().variant());
      results.cells.push_back(std::make_unique<Cell>(Cell{sequences, tokens, {}, {}, none, none, nullptr, false, 0, 0, {}}));
      CellRun run(session, o, sequences, tokens);
      Cell &cell = *results.cells.back();
      if (!o.watchOnly)
        TENON_RETURN_IF_ERROR(run.measure(cell, wantPrefill, wantDecode));
      // The first row's prefill and decode.
      const bool first = sequences == o.sequences.front() &&
                         (tokens == o.promptTokens.front() || tokens == contexts.front());
      if (o.watchOnly || detail == LaunchDetail::All || (detail == LaunchDetail::First && first)) {
        TENON_RETURN_IF_ERROR(run.measureLaunches(cell, wantPrefill, wantDecode));
        if (!o.watchOnly)
          TENON_RETURN_IF_ERROR(run.traceChips(cell, wantDecode));
      }
    }
    const auto cell = [&](uint32_t tokens) -> const Cell * {
      for (size_t c = firstCell; c < results.cells.size(); ++c)
        if (results.cells[c]->tokens == tokens)
          return results.cells[c].get();
      return nullptr;
    };
    for (uint32_t prompt : o.promptTokens) {
      if (o.contexts.empty()) {
        results.rows.push_back({cell(prompt), cell(prompt)});
        continue;
      }
      for (uint32_t context : o.contexts)
        results.rows.push_back({cell(prompt), cell(context)});
    }
  }
  session.releaseExecutor();
  return results;
}

} // namespace tenon::tool
