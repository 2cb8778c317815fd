//===- BenchCollectives.cpp - tenon bench collectives ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchCollectives.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "tools/tenon/BenchChip.h"
#include "tools/tenon/CollectiveProbe.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

namespace {

struct Options {
  uint32_t chips = 2, threads = 0;
  std::vector<uint64_t> rows = {1, 16, 512}, hidden = {576, 1024, 2048, 4096, 8192};
  std::vector<std::string> kinds;
  double seconds = 0.05;
  bool pin = true, limits = true, json = false;
};

/// One cell of the report.
struct Line {
  ProbedCollective kind;
  uint64_t rows, hidden;
  CollectiveTime time;
  double limit = 0; ///< Seconds; 0: not known.
  uint64_t bytes() const {
    return kind == ProbedCollective::Barrier ? 0 : rows * hidden * sizeof(float);
  }
  double algorithmBandwidth() const { return double(bytes()) / time.median; }
};

/// Seconds that a member's workers need to read what comes to it, of `chip` shared by all members:
/// members read each other's rows where they lie, in the outer cache or in memory.
double limitOf(const Line &line, const ChipLimits &chip, uint32_t members) {
  if (!chip.known())
    return 0;
  const double size = double(line.bytes()), n = members;
  const double rate = chip.bytesPerSecond(2 * n * size);
  switch (line.kind) {
  case ProbedCollective::AllReduce:
    return (n - 1) * size / (rate / n);
  case ProbedCollective::AllGather:
  case ProbedCollective::ReduceScatter:
    return (n - 1) / n * size / (rate / n);
  case ProbedCollective::Gather: // Everyone carries its own columns.
    return size / n / (rate / n);
  case ProbedCollective::Broadcast:
    return size / (rate / n);
  case ProbedCollective::SendReceive: {
    const bool cached = chip.l3.alone.median > 0 && 2 * n * size <= double(chip.l3Bytes) / 2;
    return size / (cached ? chip.l3.alone.median : chip.dram.alone.median);
  }
  case ProbedCollective::Barrier:
    return 0;
  }
  return 0;
}

void printTable(const Options &o, const ChipLimits &chip, const std::vector<Line> &lines) {
  fmt::print("{}: {} chips of {} worker(s), local collectives, f32\n"
             "times from when all members are ready to when the last is done; bandwidths as "
             "nccl-tests define them\n\n"
             "{:<16}{:>6}{:>8}{:>11} |{:>10}{:>10}{:>10} |{:>9}{:>9} |{:>10}{:>10}\n",
             cpu::cpuName(), o.chips, o.threads / o.chips, "collective", "rows", "hidden", "bytes",
             "us", "best", "p99", "algbw", "busbw", "limit us", "beyond");
  for (const Line &l : lines) {
    fmt::print("{:<16}{:>6}{:>8}{:>11} |{:>10.2f}{:>10.2f}{:>10.2f} |", collectiveName(l.kind),
               l.rows, l.hidden, l.bytes(), l.time.median * 1e6, l.time.best * 1e6,
               l.time.p99 * 1e6);
    if (l.kind == ProbedCollective::Barrier)
      fmt::print("{:>9}{:>9} |", "-", "-");
    else
      fmt::print("{:>9.2f}{:>9.2f} |", l.algorithmBandwidth() * 1e-9,
                 l.algorithmBandwidth() * busFactor(l.kind, o.chips) * 1e-9);
    if (chip.known())
      fmt::print("{:>10.2f}{:>10.2f}\n", l.limit * 1e6, (l.time.median - l.limit) * 1e6);
    else
      fmt::print("{:>10}{:>10}\n", "-", "-");
  }
}

void printLines(const Options &o, const ChipLimits &chip, const std::vector<Line> &lines) {
  boost::json::array rows;
  for (const Line &l : lines) {
    const std::string_view name = collectiveName(l.kind);
    boost::json::object row = {
        {"backend", "local"},
        {"collective", boost::json::string(name.data(), name.size())},
        {"rows", l.rows},
        {"hidden", l.hidden},
        {"bytes", l.bytes()},
        {"latency_us", l.time.median * 1e6},
        {"latency_us_best", l.time.best * 1e6},
        {"latency_us_p99", l.time.p99 * 1e6},
        {"rounds", l.time.rounds},
        {"algbw_bytes_per_second", l.algorithmBandwidth()},
        {"busbw_bytes_per_second", l.algorithmBandwidth() * busFactor(l.kind, o.chips)}};
    row["limit_us"] = chip.known() ? boost::json::value(l.limit * 1e6) : nullptr;
    rows.push_back(std::move(row));
  }
  printJson({{"machine", machineJson(chip)},
             {"chips", o.chips},
             {"workers", o.threads / o.chips},
             {"collectives", std::move(rows)}});
}

Status run(Options o) {
  std::vector<ProbedCollective> kinds;
  for (ProbedCollective kind : kProbedCollectives)
    if (o.kinds.empty() ||
        std::find(o.kinds.begin(), o.kinds.end(), collectiveName(kind)) != o.kinds.end())
      kinds.push_back(kind);
  o.threads = std::max(o.threads / o.chips, 1u) * o.chips;
  ChipLimits chip;
  chip.threads = o.threads;
  if (o.limits) {
    auto measured = measureChip(o.threads, 1);
    if (!measured)
      return measured.status();
    chip = *measured;
  }
  auto probe = CollectiveProbe::create(o.chips, o.threads / o.chips, o.pin);
  if (!probe)
    return probe.status();
  std::vector<Line> lines;
  for (ProbedCollective kind : kinds)
    for (uint64_t rows : o.rows)
      for (uint64_t hidden : o.hidden) {
        if (kind == ProbedCollective::Barrier && (rows != o.rows[0] || hidden != o.hidden[0]))
          continue; // It has no size.
        auto time = (*probe)->measure(kind, rows, hidden, o.seconds);
        if (!time)
          return time.status();
        Line &line = lines.emplace_back(Line{kind, rows, hidden, *time});
        line.limit = limitOf(line, chip, o.chips);
      }
  if (o.json)
    printLines(o, chip, lines);
  else
    printTable(o, chip, lines);
  return Status::ok();
}

} // namespace

CLI::App *addBenchCollectives(CLI::App &bench, Action &action) {
  auto o = std::make_shared<Options>();
  CLI::App *command = bench.add_subcommand(
      "collectives", "Time what chips of one process say to each other, by size");
  command->add_option("--chips", o->chips, "Chips in the group (default 2)")
      ->check(CLI::Range(2u, 256u));
  command->add_option("--threads", o->threads, "Workers of all chips together (default: one each)")
      ->check(CLI::Range(1u, 1024u));
  command->add_option("--rows", o->rows, "Rows of a message, such as 1,16,512")
      ->delimiter(',')
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 16));
  command->add_option("--hidden", o->hidden, "Columns of a row, such as 576,8192")
      ->delimiter(',')
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 20));
  std::vector<std::string> names;
  for (ProbedCollective kind : kProbedCollectives)
    names.emplace_back(collectiveName(kind));
  command->add_option("--kinds", o->kinds, "Only these, such as all_reduce,barrier")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  command->add_option("--seconds", o->seconds, "Time for each size (default 0.05)")
      ->check(CLI::Range(1e-3, 60.0));
  command->add_flag("!--no-pin", o->pin, "Do not bind workers to processors");
  command->add_flag("!--no-limits", o->limits, "Do not measure the machine's limit");
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->footer("\nRows between chips are f32. `us` is the median over rounds, `beyond` what it is "
                  "more than the limit:\nthe time to read the bytes that come to a chip.\n\n"
                  "Examples:\n  tenon bench collectives\n"
                  "  tenon bench collectives --kinds all_reduce --rows 1 --hidden 576 --json");
  command->callback([o, &action] { action = [o] { return run(*o); }; });
  return command;
}

} // namespace tenon::tool
