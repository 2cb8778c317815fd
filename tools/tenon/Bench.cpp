//===- Bench.cpp - tenon bench --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Clock.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/generate/Generator.h"
#include "runtime/sample/Philox.h"
#include "tools/tenon/BenchChip.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace tenon::tool {

namespace {

struct BenchOptions {
  RunOptions run;
  std::vector<uint32_t> sequences = {1};
  uint32_t promptTokens = 512, newTokens = 128, repeat = 1;
  bool json = false;
};

struct Row {
  uint32_t sequences = 0;
  double prefillRate = 0, decodeRate = 0, ttftMs = 0, tpotMs = 0, hostUs = 0, limitShare = 0;
  uint64_t peakBytes = 0, plannedBytes = 0;
};

/// Launches of one kind and name, added up over a step.
struct KindTotals {
  double micros = 0, bytes = 0, macs = 0;
};
using LaunchTotals = std::map<std::pair<std::string, std::string>, KindTotals>;

/// When the first and the last token came.
class Timer : public generate::Listener {
public:
  void onToken(const generate::TokenEvent &event) override {
    const double now = watch.milliseconds();
    if (first.size() <= event.request)
      first.resize(event.request + 1, 0);
    if (first[event.request] == 0)
      first[event.request] = now;
    last = now;
  }
  std::vector<double> first;
  double last = 0;

private:
  const Stopwatch watch;
};

std::vector<int32_t> randomPrompt(uint32_t tokens, uint32_t vocabulary, uint64_t stream) {
  std::vector<int32_t> prompt(tokens);
  for (uint32_t i = 0; i < tokens; ++i)
    prompt[i] = static_cast<int32_t>(sample::uniformDraw(stream, i) * vocabulary);
  return prompt;
}

executor::CapacityRequest sizeFor(const BenchOptions &o, uint32_t sequences,
                                  const engine::Plan &plan) {
  executor::CapacityRequest wanted;
  const uint64_t positions = uint64_t(o.promptTokens) + o.newTokens;
  wanted.sequences = sequences;
  wanted.context = static_cast<uint32_t>(std::min<uint64_t>(positions, plan.limits.maxContext));
  wanted.kvBytes = (positions + plan.kv.blockTokens - 1) / plan.kv.blockTokens * sequences *
                   plan.kv.bytesPerBlock;
  wanted.stepTokens = std::max(sequences, plan.limits.defaultStepTokens);
  return wanted;
}

Status runOnce(Session &session, const BenchOptions &o, uint32_t sequences, uint32_t newTokens,
               Timer &timer, generate::StepStats &stats) {
  generate::Generator generator(session.executor(), session.plan());
  for (uint32_t s = 0; s < sequences; ++s) {
    generate::Request request;
    request.prompt = randomPrompt(o.promptTokens, session.plan().model.vocabulary, s);
    request.maxNewTokens = newTokens;
    if (auto added = generator.add(std::move(request)); !added)
      return added.status();
  }
  while (generator.hasWork())
    TENON_RETURN_IF_ERROR(generator.step(timer));
  stats = generator.stats();
  return Status::ok();
}

/// Seconds below which the row's decode steps cannot be, from the plan's costs and the chip's
/// limits.
double leastDecodeSeconds(const engine::Plan &plan, const BenchOptions &o, uint32_t sequences,
                          const ChipLimits &chip) {
  double seconds = 0;
  const uint64_t context = uint64_t(sequences) * (o.promptTokens + o.newTokens / 2);
  for (const engine::CallPlan &call : plan.calls)
    for (const engine::LaunchPlan &launch : plan.functions[call.function].launches)
      seconds += chip.leastSeconds(launch.cost.bytes(sequences, sequences, context),
                                   launch.cost.macs(sequences, sequences, context));
  return seconds;
}

Status measureRow(Session &session, const BenchOptions &o, Row &row) {
  session.releaseExecutor();
  resetPeakResident();
  TENON_RETURN_IF_ERROR(session.prepare(sizeFor(o, row.sequences, session.plan())));
  Timer warm;
  generate::StepStats stats;
  TENON_RETURN_IF_ERROR(runOnce(session, o, row.sequences, std::min(o.newTokens, 4u), warm, stats));
  for (uint32_t r = 0; r < o.repeat; ++r) {
    Timer timer;
    TENON_RETURN_IF_ERROR(runOnce(session, o, row.sequences, o.newTokens, timer, stats));
    const double prefill =
        stats.prefillNanos ? double(stats.promptTokens) * 1e9 / double(stats.prefillNanos) : 0;
    const double decode =
        stats.decodeNanos ? double(stats.decodeTokens) * 1e9 / double(stats.decodeNanos) : 0;
    if (r > 0 && decode < row.decodeRate)
      continue;
    row.prefillRate = prefill;
    row.decodeRate = decode;
    double sum = 0;
    for (double f : timer.first)
      sum += f;
    row.ttftMs = sum / row.sequences;
    const uint64_t decodeSteps = stats.steps - stats.prefillSteps;
    row.tpotMs = decodeSteps ? double(stats.decodeNanos) * 1e-6 / double(decodeSteps) : 0;
    row.hostUs = double(stats.prefillNanos + stats.decodeNanos - stats.computeNanos) * 1e-3 /
                 double(stats.steps);
  }
  row.plannedBytes = session.executor().memory().total();
  row.peakBytes = peakResidentBytes();
  return Status::ok();
}

/// One decode step's launches by kind, with a barrier after each.
Status measureLaunches(Session &session, const BenchOptions &o, LaunchTotals &kinds) {
  const uint32_t sequences = o.sequences.front();
  TENON_RETURN_IF_ERROR(
      session.prepare(sizeFor(o, sequences, session.plan()), /*timeLaunches=*/true));
  generate::Generator generator(session.executor(), session.plan());
  Timer timer;
  for (uint32_t s = 0; s < sequences; ++s) {
    generate::Request request;
    request.prompt = randomPrompt(o.promptTokens, session.plan().model.vocabulary, s);
    request.maxNewTokens = std::max(2u, std::min(o.newTokens, 32u));
    if (auto added = generator.add(std::move(request)); !added)
      return added.status();
  }
  uint64_t steps = 0;
  while (generator.hasWork()) {
    const uint64_t before = generator.stats().prefillSteps;
    TENON_RETURN_IF_ERROR(generator.step(timer));
    if (generator.stats().prefillSteps != before)
      session.executor().resetTimings();
    else
      ++steps;
  }
  const engine::Plan &plan = session.plan();
  for (const executor::LaunchTiming &t : session.executor().timings()) {
    const engine::LaunchPlan &launch =
        plan.functions[plan.calls[t.call].function].launches[t.launch];
    KindTotals &k = kinds[{plan.kernels[launch.kernel].kindName, launch.name}];
    const double perStep = 1 / double(std::max<uint64_t>(steps, 1));
    k.micros += double(t.nanos) * 1e-3 * perStep;
    k.bytes += t.bytes * perStep;
    k.macs += t.macs * perStep;
  }
  return Status::ok();
}

void printBench(const BenchOptions &o, const Session &session, const std::vector<Row> &rows,
                const LaunchTotals &kinds, const ChipLimits &chip) {
  const std::string_view variant = cpu::variantName(session.engine().variant());
  if (!o.json) {
    fmt::print("{} threads, {}, {:.1f} GB/s\n", session.threads(),
               fmt::string_view(variant.data(), variant.size()), chip.dramBytesPerSecond * 1e-9);
    for (const Row &r : rows)
      fmt::print("{:>3} sequences: prefill {:>9.1f} tokens/s, decode {:>8.1f} tokens/s, TTFT "
                 "{:.1f} ms, TPOT "
                 "{:.2f} ms, host {:.1f} us/step, {} planned, {} peak, {:.0f} % of the limit\n",
                 r.sequences, r.prefillRate, r.decodeRate, r.ttftMs, r.tpotMs, r.hostUs,
                 formatBytes(r.plannedBytes), formatBytes(r.peakBytes), 100 * r.limitShare);
    fmt::print("\nlaunches of a decode step with {} sequences, by kind\n", o.sequences.front());
    for (const auto &[what, k] : kinds)
      fmt::print("  {:<20}{:<20}{:>10.1f} us {:>12.0f} B {:>12.0f} MAC  {:>3.0f} % of the limit\n",
                 what.first, what.second, k.micros, k.bytes, k.macs,
                 k.micros > 0 ? 100e6 * chip.leastSeconds(k.bytes, k.macs) / k.micros : 0);
    return;
  }
  boost::json::array rowsJson, launches;
  for (const Row &r : rows)
    rowsJson.push_back({{"sequences", r.sequences},
                        {"prompt_tokens", o.promptTokens},
                        {"new_tokens", o.newTokens},
                        {"prefill_tokens_per_second", r.prefillRate},
                        {"decode_tokens_per_second", r.decodeRate},
                        {"ttft_ms", r.ttftMs},
                        {"tpot_ms", r.tpotMs},
                        {"host_us_per_step", r.hostUs},
                        {"peak_rss_bytes", r.peakBytes},
                        {"planned_bytes", r.plannedBytes},
                        {"limit_share", r.limitShare}});
  for (const auto &[what, k] : kinds)
    launches.push_back(
        {{"kind", what.first},
         {"name", what.second},
         {"time_us", k.micros},
         {"bytes", k.bytes},
         {"macs", k.macs},
         {"limit_share", k.micros > 0 ? 1e6 * chip.leastSeconds(k.bytes, k.macs) / k.micros : 0}});
  boost::json::object machine = machineJson(chip);
  machine["variant"] = boost::json::string(variant.data(), variant.size());
  printJson({{"machine", std::move(machine)},
             {"rows", std::move(rowsJson)},
             {"launches", std::move(launches)}});
}

Status run(const BenchOptions &o) {
  if (o.run.engine.empty())
    return Status::invalidArgument("bench: give an engine, or `tenon bench chip`");
  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  std::vector<Row> rows;
  for (uint32_t sequences : o.sequences) {
    rows.push_back({sequences});
    TENON_RETURN_IF_ERROR(measureRow(session, o, rows.back()));
  }
  // After the rows: the probe's buffer must not count as theirs.
  auto chip = measureChip(session.threads(), 1.2);
  if (!chip)
    return chip.status();
  for (Row &row : rows)
    if (row.tpotMs > 0)
      row.limitShare =
          leastDecodeSeconds(session.plan(), o, row.sequences, *chip) / (row.tpotMs * 1e-3);
  LaunchTotals kinds;
  TENON_RETURN_IF_ERROR(measureLaunches(session, o, kinds));
  printBench(o, session, rows, kinds, *chip);
  return Status::ok();
}

Status runChip(uint32_t threads, bool json) {
  auto chip = measureChip(threads ? threads : cpu::readTopology().usefulWorkers, 4);
  if (!chip)
    return chip.status();
  if (json) {
    printJson({{"machine", machineJson(*chip)}});
    return Status::ok();
  }
  fmt::print("{}, {} threads\n", cpu::cpuName(), chip->threads);
  const auto line = [](const char *what, double together, double alone, const char *unit) {
    fmt::print("  {:<22}{:>9.1f} {} together", what, together * 1e-9, unit);
    if (alone > 0)
      fmt::print(", {:.1f} one thread", alone * 1e-9);
    fmt::print("\n");
  };
  line("read from memory", chip->dramBytesPerSecond, chip->dramBytesPerSecondOneThread, "GB/s");
  line("read from outer cache", chip->l3BytesPerSecond, chip->l3BytesPerSecondOneThread, "GB/s");
  line("f32", chip->f32MacsPerSecond, 0, "GMAC/s");
  line("int8", chip->int8MacsPerSecond, 0, "GMAC/s");
  return Status::ok();
}

} // namespace

void addBench(CLI::App &app, Action &action) {
  auto o = std::make_shared<BenchOptions>();
  CLI::App *command =
      app.add_subcommand("bench", "Measure speed and memory, and compare with the machine's limit");
  addRunOptions(*command, o->run);
  command->get_option("engine")->required(false);
  command->add_option("--sequences", o->sequences, "Sequences at once, such as 1,16: one row each")
      ->delimiter(',')
      ->check(CLI::Range(1u, 65536u));
  command->add_option("--prompt-tokens", o->promptTokens, "Tokens of each prompt")
      ->check(CLI::Range(1u, 1u << 24));
  command->add_option("--new-tokens", o->newTokens, "Tokens to generate for each")
      ->check(CLI::Range(1u, 1u << 24));
  command
      ->add_option("--repeat", o->repeat,
                   "Measure each row this often and report the fastest decode")
      ->check(CLI::Range(1u, 1000u));
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->footer(
      "\nExamples:\n  tenon bench m.tenon --sequences 1,16 --prompt-tokens 512 --new-tokens 128\n"
      "  tenon bench chip          # what this machine can do");
  CLI::App *chip =
      command->add_subcommand("chip", "Measure this machine: bandwidth and multiply-accumulates");
  auto threads = std::make_shared<uint32_t>(0);
  auto json = std::make_shared<bool>(false);
  chip->add_option("--threads", *threads, "Worker threads (default: one for each core)")
      ->check(CLI::Range(1u, 1024u));
  chip->add_flag("--json", *json, "One JSON object on standard output");
  command->callback([o, chip, threads, json, &action] {
    if (chip->parsed())
      action = [threads, json] { return runChip(*threads, *json); };
    else
      action = [o] { return run(*o); };
  });
}

} // namespace tenon::tool
