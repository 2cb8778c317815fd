//===- BenchReport.cpp - What tenon bench prints --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchReport.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "tools/tenon/BenchPrediction.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

namespace {

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// A share of the machine's limit: null where that was not measured.
boost::json::value shareJson(double share, const ChipLimits &chip) {
  return chip.known() ? boost::json::value(share) : boost::json::value(nullptr);
}

std::string shareText(double share, const ChipLimits &chip) {
  return chip.known() ? fmt::format("{:.0f}%", 100 * share) : "-";
}

/// The figures of a row that are computed from others.
struct RowFigures {
  double prefillRate, prefillBest, decodeRate, decodeBest, tpotMs, hostUs, hostShare,
      prefillHostShare, limitShare, prefillLimitShare;
  uint64_t planned, peak;
};

RowFigures figuresOf(const Row &row, const ChipLimits &chip) {
  const PrefillFigures &p = row.prefill->prefill;
  const DecodeFigures &d = row.decode->decode;
  const Ledger &decodeWork = row.decode->decodeWork, &prefillWork = row.prefill->prefillWork;
  const double stepSeconds = ratio(d.seconds, double(d.steps));
  return {ratio(double(p.tokens), p.seconds), ratio(double(p.tokens), p.bestSeconds),
          ratio(double(d.tokens), d.seconds), ratio(double(d.tokens), d.bestSeconds),
          stepSeconds * 1e3, ratio(d.hostSeconds, double(d.steps)) * 1e6,
          ratio(d.hostSeconds, d.seconds), ratio(p.hostSeconds, p.seconds),
          ratio(decodeWork.leastSeconds(chip), double(decodeWork.steps()) * stepSeconds),
          // The ledger's steps are those of one whole prefill.
          ratio(prefillWork.leastSeconds(chip), p.seconds),
          std::max(row.prefill->plannedBytes, row.decode->plannedBytes),
          std::max(row.prefill->peakBytes, row.decode->peakBytes)};
}

uint32_t contextOf(const Row &row) { return row.decode->tokens; }

boost::json::object percentilesJson(const Percentiles &p) {
  return {{"median", p.median}, {"p95", p.p95}, {"p99", p.p99}};
}

boost::json::array kindsJson(const Ledger &ledger, const ChipLimits &chip) {
  boost::json::array kinds;
  const double perStep = ratio(1, double(ledger.steps()));
  for (const LaunchKind &k : ledger.kinds())
    kinds.push_back(
        {{"kind", k.kind},
         {"name", k.name},
         {"launches", k.launches},
         {"unit", std::string(cpu::macUnitName(k.unit))},
         {"time_us", k.seconds * 1e6 * perStep},
         {"bytes", k.bytes * perStep},
         {"memory_bytes", k.memoryBytes * perStep},
         {"macs", k.macs * perStep},
         {"limit_us", shareJson(ledger.leastSeconds(k, chip) * 1e6 * perStep, chip)},
         {"limit_share", shareJson(ratio(ledger.leastSeconds(k, chip), k.seconds), chip)}});
  return kinds;
}

/// A phase launch by launch, beside the same phase without a barrier after each launch.
boost::json::object phaseJson(const Ledger &ledger, double stepSeconds, const ChipLimits &chip) {
  return {{"steps", ledger.steps()},
          {"step_us", stepSeconds * 1e6},
          {"launch_sum_us", ratio(ledger.seconds(), double(ledger.steps())) * 1e6},
          {"kinds", kindsJson(ledger, chip)}};
}

double prefillStepSeconds(const Row &row) {
  return ratio(row.prefill->prefill.seconds, double(row.prefill->prefill.steps));
}

double decodeStepSeconds(const Row &row) {
  return ratio(row.decode->decode.seconds, double(row.decode->decode.steps));
}

void printKinds(const char *phase, const Ledger &ledger, double stepSeconds,
                const ChipLimits &chip) {
  if (ledger.steps() == 0 || ledger.seconds() == 0)
    return;
  const double perStep = 1 / double(ledger.steps());
  fmt::print(
      "\nlaunches of a {} step: {:.0f} us with a barrier after each, the step without {:.0f} "
      "us\n  {:<20}{:<20}{:>5}{:>11}{:>7}{:>11}{:>11}{:>10}  {:<9}{:>7}\n",
      phase, ledger.seconds() * perStep * 1e6, stepSeconds * 1e6, "kind", "name", "times", "us",
      "%", "MB", "MMAC", "limit us", "unit", "share");
  for (const LaunchKind &k : ledger.kinds()) {
    const double least = ledger.leastSeconds(k, chip);
    fmt::print("  {:<20}{:<20}{:>5}{:>11.1f}{:>6.1f}%{:>11.3f}{:>11.2f}{:>10.1f}  {:<9}{:>6.0f}%\n",
               k.kind, k.name, k.launches, k.seconds * perStep * 1e6,
               100 * ratio(k.seconds, ledger.seconds()), k.bytes * perStep * 1e-6,
               k.macs * perStep * 1e-6, least * perStep * 1e6,
               k.macs > 0 ? cpu::macUnitName(k.unit) : "", 100 * ratio(least, k.seconds));
  }
}

/// What the engine's chips file made the compiler expect of a row; seconds of a step and a prompt.
struct Expected {
  std::optional<double> decode, prefill;
};

/// Nothing of a row whose sequences are fewer than the engine's `replicas`: those that have work
/// then have the threads of all.
Expected expectedOf(const BenchPrediction &prediction, uint32_t replicas, const Row &row,
                    uint32_t newTokens) {
  if (row.decode->replicas < replicas)
    return {};
  // The middle of the decoded stretch, whose cost is nearly linear in the positions.
  const double context = std::max(1.0, double(contextOf(row)) + double(newTokens + 1) / 2);
  Expected expected;
  expected.decode = prediction.decode(row.decode->sequences, context);
  expected.prefill = prediction.prompts(row.prefill->sequences, row.prefill->tokens);
  return expected;
}

void printExpected(const BenchPrediction &prediction, uint32_t replicas, const Row &row,
                   uint32_t newTokens) {
  const Expected e = expectedOf(prediction, replicas, row, newTokens);
  const auto line = [&](const std::string &what, const std::optional<double> &expected,
                        const Undisturbed &measured) {
    if (expected)
      fmt::print("  {:<24}{:>10.3f} ms predicted{:>12.3f} ms measured{:>8.2f} x  ({} of {} samples "
                 "undisturbed)\n",
                 what, *expected * 1e3, measured.seconds * 1e3, ratio(*expected, measured.seconds),
                 measured.samples, measured.of);
  };
  line(fmt::format("decode, {} at {}", row.decode->sequences, contextOf(row)), e.decode,
       row.decode->decode.undisturbed);
  line(row.prefill->sequences == 1
           ? fmt::format("prefill, {} tokens", row.prefill->tokens)
           : fmt::format("prefill, {} x {} tokens", row.prefill->sequences, row.prefill->tokens),
       e.prefill, row.prefill->prefill.undisturbed);
}

double share(double part, double whole) { return 100 * ratio(part, whole); }

/// What every chip did in the traced steps of a phase; kinds of launches where chips are several.
void printChips(const char *phase, const std::vector<ChipLedger> &chips) {
  for (const ChipLedger &chip : chips) {
    if (chip.steps == 0)
      continue;
    const double perStep = 1 / double(chip.steps), step = chip.stepSeconds;
    fmt::print("\nchip {} ({} worker{}), {} step of {:.0f} us: {:.1f} % at work, {:.1f} % at "
               "barriers, {:.1f} % waiting for others;\n  arena {} of {} in use\n",
               chip.chip, chip.workers, chip.workers == 1 ? "" : "s", phase, step * perStep * 1e6,
               share(chip.seconds(), step), share(chip.barrierSeconds(), step),
               share(chip.othersSeconds(), step), formatBytes(chip.arenaPeak),
               formatBytes(chip.arenaPlanned));
    if (chips.size() == 1)
      continue;
    fmt::print("  {:<20}{:>6}{:>11}{:>7}{:>12}{:>12}{:>11}{:>11}{:>11}\n", "kind", "times", "us",
               "%", "barrier us", "others us", "MB read", "written", "sent");
    for (const ChipKind &k : chip.kinds)
      fmt::print("  {:<20}{:>6}{:>11.1f}{:>6.1f}%{:>12.1f}{:>12.1f}{:>11.3f}{:>11.3f}{:>11.3f}\n",
                 k.kind, k.launches, k.seconds * perStep * 1e6, share(k.seconds, step),
                 k.barrierSeconds * perStep * 1e6, k.othersSeconds * perStep * 1e6,
                 k.read * perStep * 1e-6, k.written * perStep * 1e-6, k.sent * perStep * 1e-6);
    fmt::print("  {:<20}{:>6}{:>11}{:>7}{:>12}{:>12.1f}\n", "no launch", "", "", "", "",
               chip.idleSeconds * perStep * 1e6);
  }
}

boost::json::array chipsJson(const std::vector<ChipLedger> &chips) {
  boost::json::array list;
  for (const ChipLedger &chip : chips) {
    const double perStep = ratio(1, double(chip.steps));
    boost::json::array kinds;
    for (const ChipKind &k : chip.kinds)
      kinds.push_back({{"kind", k.kind},
                       {"launches", k.launches},
                       {"time_us", k.seconds * perStep * 1e6},
                       {"barrier_us", k.barrierSeconds * perStep * 1e6},
                       {"others_us", k.othersSeconds * perStep * 1e6},
                       {"bytes_read", k.read * perStep},
                       {"bytes_written", k.written * perStep},
                       {"bytes_sent", k.sent * perStep}});
    list.push_back({{"chip", chip.chip},
                    {"workers", chip.workers},
                    {"steps", chip.steps},
                    {"step_us", chip.stepSeconds * perStep * 1e6},
                    {"idle_us", chip.idleSeconds * perStep * 1e6},
                    {"barrier_share", ratio(chip.barrierSeconds(), chip.stepSeconds)},
                    {"others_share", ratio(chip.othersSeconds(), chip.stepSeconds)},
                    {"arena_bytes_in_use", chip.arenaPeak},
                    {"arena_bytes", chip.arenaPlanned},
                    {"kinds", std::move(kinds)}});
  }
  return list;
}

} // namespace

void printBenchTables(const Session &session, const BenchOptions &o, const BenchResults &results,
                      const ChipLimits &chip) {
  fmt::print("{}, {} threads, {}", cpu::cpuName(), session.threads(),
             cpu::variantName(session.engine().variant()));
  if (const uint32_t replicas = session.plan().replicas; replicas > 1)
    fmt::print(", {} replicas (launches and chips are the first's)", replicas);
  if (chip.known())
    fmt::print("; {:.1f} GB/s from memory, {:.0f} GMAC/s f32, {:.0f} int8",
               chip.dram.together.median * 1e-9,
               chip.unit(cpu::MacUnit::F32).together.median * 1e-9,
               chip.unit(cpu::MacUnit::Int8).together.median * 1e-9);
  fmt::print("\n");
  fmt::print("median of {}; {} new tokens; planned memory / peak resident in MiB\n\n", o.repeat,
             o.newTokens);
  fmt::print("{:>5}{:>8}{:>8} |{:>10}{:>10}{:>7} |{:>10}{:>9}{:>9}{:>9}{:>7}{:>7} |{:>15}\n", "",
             "", "", "prefill", "", "", "decode", "TPOT", "", "", "", "", "");
  fmt::print("{:>5}{:>8}{:>8} |{:>10}{:>10}{:>7} |{:>10}{:>9}{:>9}{:>9}{:>7}{:>7} |{:>15}\n",
             "seqs", "prompt", "context", "tokens/s", "TTFT ms", "limit", "tokens/s", "ms", "p95",
             "p99", "host", "limit", "plan/peak");
  for (const Row &row : results.rows) {
    const RowFigures f = figuresOf(row, chip);
    const Percentiles &step = row.decode->decode.stepMs;
    fmt::print("{:>5}{:>8}{:>8} |{:>10.1f}{:>10.1f}{:>7} |{:>10.1f}{:>9.2f}{:>9.2f}{:>9.2f}"
               "{:>6.1f}%{:>7} |{:>15}\n",
               row.decode->sequences, row.prefill->tokens, contextOf(row), f.prefillRate,
               row.prefill->prefill.ttftMs, shareText(f.prefillLimitShare, chip), f.decodeRate,
               step.median, step.p95, step.p99, 100 * f.hostShare, shareText(f.limitShare, chip),
               fmt::format("{} / {}", f.planned >> 20, f.peak >> 20));
  }
  const BenchPrediction prediction =
      BenchPrediction::read(session.engine().text(engine::SectionKind::ModelCard));
  if (!prediction.chips().empty()) {
    fmt::print("\npredicted for: {}\n", prediction.chips());
    for (const Row &row : results.rows)
      printExpected(prediction, session.plan().replicas, row, o.newTokens);
  }
  for (const Row &row : results.rows) {
    if (!row.prefill->timed && !row.decode->timed)
      continue;
    fmt::print("\n{} sequences, prompt {}, context {}\n", row.decode->sequences,
               row.prefill->tokens, contextOf(row));
    printKinds("prefill", row.prefill->prefillWork, prefillStepSeconds(row), chip);
    printKinds("decode", row.decode->decodeWork, decodeStepSeconds(row), chip);
    if (row.prefill->trace)
      printChips("prefill", row.prefill->trace->ledgers(/*prompts=*/true));
    if (row.decode->trace)
      printChips("decode", row.decode->trace->ledgers(/*prompts=*/false));
  }
}

/// Of a command run by several processes, by rank.
static boost::json::array processesOf(const Cell &cell) {
  boost::json::array processes;
  for (const executor::ProcessReport &p : cell.processes)
    processes.push_back({{"rank", processes.size()},
                         {"first_chip", p.firstChip},
                         {"chips", p.chips},
                         {"workers", p.workers},
                         {"planned_bytes", p.plannedBytes},
                         {"measured_bytes", p.residentBytes},
                         {"peak_rss_bytes", p.peakBytes}});
  return processes;
}

void printBenchJson(const Session &session, const BenchOptions &o, const BenchResults &results,
                    const ChipLimits &chip) {
  boost::json::array rows;
  const BenchPrediction prediction =
      BenchPrediction::read(session.engine().text(engine::SectionKind::ModelCard));
  for (const Row &row : results.rows) {
    const RowFigures f = figuresOf(row, chip);
    const PrefillFigures &p = row.prefill->prefill;
    const DecodeFigures &d = row.decode->decode;
    boost::json::object json = {{"sequences", row.decode->sequences},
                                {"replicas", row.decode->replicas},
                                {"prompt_tokens", row.prefill->tokens},
                                {"context_tokens", contextOf(row)},
                                {"new_tokens", o.newTokens},
                                {"repeat", o.repeat},
                                {"prefill_tokens_per_second", f.prefillRate},
                                {"prefill_tokens_per_second_best", f.prefillBest},
                                {"prefill_tokens", p.tokens},
                                {"prefill_ms", p.seconds * 1e3},
                                {"ttft_ms", p.ttftMs},
                                {"ttft_ms_percentiles", percentilesJson(p.ttft)},
                                {"prefill_host_share", f.prefillHostShare},
                                {"prefill_limit_share", shareJson(f.prefillLimitShare, chip)},
                                {"decode_tokens_per_second", f.decodeRate},
                                {"decode_tokens_per_second_best", f.decodeBest},
                                {"decode_tokens", d.tokens},
                                {"decode_ms", d.seconds * 1e3},
                                {"tpot_ms", f.tpotMs},
                                {"tpot_ms_percentiles", percentilesJson(d.stepMs)},
                                {"host_us_per_step", f.hostUs},
                                {"host_share", f.hostShare},
                                {"limit_share", shareJson(f.limitShare, chip)},
                                {"planned_bytes", f.planned},
                                {"peak_rss_bytes", f.peak}};
    json["undisturbed"] = {
        {"tpot_ms", d.undisturbed.seconds * 1e3}, {"steps", d.undisturbed.samples},
        {"of_steps", d.undisturbed.of},           {"prefill_ms", p.undisturbed.seconds * 1e3},
        {"prefills", p.undisturbed.samples},      {"of_prefills", p.undisturbed.of}};
    const Expected expected = expectedOf(prediction, session.plan().replicas, row, o.newTokens);
    if (expected.decode)
      json["predicted_tpot_ms"] = *expected.decode * 1e3;
    if (expected.prefill)
      json["predicted_prefill_ms"] = *expected.prefill * 1e3;
    if (!row.decode->processes.empty())
      json["processes"] = processesOf(*row.decode);
    boost::json::object launches;
    if (row.prefill->timed)
      launches["prefill"] = phaseJson(row.prefill->prefillWork, prefillStepSeconds(row), chip);
    if (row.decode->timed)
      launches["decode"] = phaseJson(row.decode->decodeWork, decodeStepSeconds(row), chip);
    if (!launches.empty())
      json["launches"] = std::move(launches);
    boost::json::object chips;
    if (row.prefill->trace)
      chips["prefill"] = chipsJson(row.prefill->trace->ledgers(/*prompts=*/true));
    if (row.decode->trace)
      chips["decode"] = chipsJson(row.decode->trace->ledgers(/*prompts=*/false));
    if (!chips.empty())
      json["chips"] = std::move(chips);
    rows.push_back(std::move(json));
  }
  boost::json::object machine = machineJson(chip);
  machine["variant"] = std::string(cpu::variantName(session.engine().variant()));
  boost::json::object report = {{"machine", std::move(machine)}, {"rows", std::move(rows)}};
  boost::json::array launches;
  if (!results.rows.empty() && results.rows.front().decode->timed)
    launches = kindsJson(results.rows.front().decode->decodeWork, chip);
  report["launches"] = std::move(launches);
  printJson(report);
}

} // namespace tenon::tool
