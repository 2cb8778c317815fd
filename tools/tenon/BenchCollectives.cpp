//===- BenchCollectives.cpp - tenon bench collectives ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchCollectives.h"

#include "runtime/collective/TransportLoader.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "tools/tenon/BenchChip.h"
#include "tools/tenon/CollectiveProbe.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

namespace {

struct Options {
  RunOptions run; ///< For the processes of a launcher.
  uint32_t chips = 0, threads = 0;
  std::vector<uint64_t> rows = {1, 16, 512}, hidden = {576, 1024, 2048, 4096, 8192};
  std::vector<std::string> kinds, types = {"f32", "bf16"};
  double seconds = 0.05;
  bool pin = true, limits = true, json = false;
};

std::string_view nameOf(ProbedCollective kind) { return factsOf(kind, 2).name; }

/// One cell of the report.
struct Line {
  ProbedCollective kind;
  collective::Element element;
  uint64_t rows, hidden;
  CollectiveTime time;
  double limit = 0; ///< Seconds; 0: not known.
  uint64_t bytes() const {
    return kind == ProbedCollective::Barrier ? 0 : rows * hidden * bytesOf(element);
  }
  const char *type() const {
    return kind == ProbedCollective::Barrier     ? "-"
           : element == collective::Element::F32 ? "f32"
                                                 : "bf16";
  }
  double algorithmBandwidth() const { return double(bytes()) / time.median; }
};

/// Seconds that a member's workers need to read what comes to it, of `chip` shared by all members:
/// members read each other's rows where they lie, in the outer cache or in memory.
double limitOf(const Line &line, const ChipLimits &chip, uint32_t members) {
  if (!chip.known())
    return 0;
  const CollectiveFacts facts = factsOf(line.kind, members);
  const double size = double(line.bytes()), held = 2 * double(members) * size;
  double rate = chip.bytesPerSecond(held) / members;
  if (facts.alone) {
    const bool cached = chip.l3.alone.median > 0 && held <= double(chip.l3Bytes) / 2;
    rate = cached ? chip.l3.alone.median : chip.dram.alone.median;
  }
  return facts.incoming * size / rate;
}

const char *backendOf(const Options &o) { return o.run.cluster ? "mpi" : "local"; }

/// Whether the members share one machine's memory, which is the limit that is known.
bool onOneHost(const collective::Cluster *cluster) {
  for (uint32_t r = 1; cluster && r < cluster->size(); ++r)
    if (cluster->peer(r).host != cluster->peer(0).host)
      return false;
  return true;
}

/// Looks at the machine while nothing else of the job computes; the others get nothing.
StatusOr<ChipLimits> limitsOf(const Options &o) {
  ChipLimits chip;
  chip.threads = o.threads;
  collective::Cluster *cluster = o.run.cluster;
  const bool looks = o.limits && onOneHost(cluster) && (!cluster || cluster->rank() == 0);
  if (looks) {
    auto measured = measureChip(o.threads, 1);
    if (!measured && cluster)
      cluster->fail(measured.status());
    if (!measured)
      return measured.status();
    chip = *measured;
  }
  if (!cluster)
    return chip;
  std::byte done{};
  collective::MessageBatch batch(*cluster, cluster->size());
  for (uint32_t r = 1; cluster->rank() == 0 && r < cluster->size(); ++r)
    batch.send(r, collective::Tag::Command, &done, sizeof(done));
  if (cluster->rank() != 0)
    batch.receive(0, collective::Tag::Command, &done, sizeof(done));
  TENON_RETURN_IF_ERROR(batch.wait(collective::MessageBatch::Wait::Idle));
  return chip;
}

void printTable(const Options &o, const ChipLimits &chip, const std::vector<Line> &lines) {
  const uint32_t processes = o.run.cluster ? o.run.cluster->size() : 1;
  fmt::print("{}: {} chips of {} worker(s) in {} process{}, {} collectives\n"
             "times from when all members are ready to when the last is done; bandwidths as "
             "nccl-tests define them\n\n"
             "{:<16}{:>5}{:>6}{:>8}{:>11} |{:>10}{:>10}{:>10} |{:>9}{:>9} |{:>10}{:>10}\n",
             cpu::cpuName(), o.chips, o.threads / o.chips, processes, processes == 1 ? "" : "es",
             backendOf(o), "collective", "type", "rows", "hidden", "bytes", "us", "best", "p99",
             "algbw", "busbw", "limit us", "beyond");
  for (const Line &l : lines) {
    const CollectiveFacts facts = factsOf(l.kind, o.chips);
    fmt::print("{:<16}{:>5}{:>6}{:>8}{:>11} |{:>10.2f}{:>10.2f}{:>10.2f} |", facts.name, l.type(),
               l.rows, l.hidden, l.bytes(), l.time.median * 1e6, l.time.best * 1e6,
               l.time.p99 * 1e6);
    if (l.kind == ProbedCollective::Barrier)
      fmt::print("{:>9}{:>9} |", "-", "-");
    else
      fmt::print("{:>9.2f}{:>9.2f} |", l.algorithmBandwidth() * 1e-9,
                 l.algorithmBandwidth() * facts.busFactor * 1e-9);
    if (chip.known())
      fmt::print("{:>10.2f}{:>10.2f}\n", l.limit * 1e6, (l.time.median - l.limit) * 1e6);
    else
      fmt::print("{:>10}{:>10}\n", "-", "-");
  }
}

void printLines(const Options &o, const ChipLimits &chip, const std::vector<Line> &lines) {
  boost::json::array rows;
  for (const Line &l : lines) {
    const CollectiveFacts facts = factsOf(l.kind, o.chips);
    boost::json::object row = {
        {"backend", backendOf(o)},
        {"collective", boost::json::string(facts.name.data(), facts.name.size())},
        {"type", l.type()},
        {"rows", l.rows},
        {"hidden", l.hidden},
        {"bytes", l.bytes()},
        {"latency_us", l.time.median * 1e6},
        {"latency_us_best", l.time.best * 1e6},
        {"latency_us_p99", l.time.p99 * 1e6},
        {"rounds", l.time.rounds},
        {"algbw_bytes_per_second", l.algorithmBandwidth()},
        {"busbw_bytes_per_second", l.algorithmBandwidth() * facts.busFactor}};
    row["limit_us"] = chip.known() ? boost::json::value(l.limit * 1e6) : nullptr;
    rows.push_back(std::move(row));
  }
  printJson({{"machine", machineJson(chip)},
             {"chips", o.chips},
             {"workers", o.threads / o.chips},
             {"processes", o.run.cluster ? o.run.cluster->size() : 1},
             {"collectives", std::move(rows)}});
}

Status run(Options o) {
  std::vector<ProbedCollective> kinds;
  for (ProbedCollective kind : kProbedCollectives)
    if (o.kinds.empty() || std::find(o.kinds.begin(), o.kinds.end(), nameOf(kind)) != o.kinds.end())
      kinds.push_back(kind);
  collective::Cluster *cluster = o.run.cluster;
  if (o.chips == 0)
    o.chips = cluster ? cluster->size() : 2;
  if (o.threads && o.threads < o.chips)
    return Status::invalidArgument(
        fmt::format("--threads {}: each of the {} chips needs one", o.threads, o.chips));
  o.threads = std::max(o.threads / o.chips, 1u) * o.chips;
  const uint64_t mostBytes = *std::max_element(o.rows.begin(), o.rows.end()) *
                             *std::max_element(o.hidden.begin(), o.hidden.end()) * sizeof(float);
  auto probe = CollectiveProbe::create({o.chips, o.threads / o.chips, o.pin, mostBytes, cluster});
  Status status = probe.status();
  if (cluster) // All or none.
    status = executor::agree(*cluster, executor::Outcome::of(status));
  if (!status)
    return status;
  auto limits = limitsOf(o);
  if (!limits)
    return limits.status();
  const ChipLimits &chip = *limits;
  std::vector<Line> lines;
  for (ProbedCollective kind : kinds)
    for (const std::string &type : o.types)
      for (uint64_t rows : o.rows)
        for (uint64_t hidden : o.hidden) {
          if (kind == ProbedCollective::Barrier &&
              (type != o.types[0] || rows != o.rows[0] || hidden != o.hidden[0]))
            continue; // It has no size.
          const auto element = type == "f32" ? collective::Element::F32 : collective::Element::BF16;
          auto time = (*probe)->measure(kind, rows, hidden, o.seconds, element);
          if (!time)
            return time.status();
          Line &line = lines.emplace_back(Line{kind, element, rows, hidden, *time});
          line.limit = limitOf(line, chip, o.chips);
        }
  if (cluster && cluster->rank() != 0)
    return Status::ok();
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
      "collectives",
      "Time what chips say to each other, within a process or (mpirun) between several, by size");
  command
      ->add_option("--chips", o->chips, "Chips in the group (default 2, or one for each process)")
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
    names.emplace_back(nameOf(kind));
  command->add_option("--kinds", o->kinds, "Only these, such as all_reduce,barrier")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  command->add_option("--type", o->types, "Elements of the rows: f32, bf16 or (default) f32,bf16")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--seconds", o->seconds, "Time for each size (default 0.05)")
      ->check(between(1e-3, 60));
  CLI::Option *timeout =
      command
          ->add_option(
              "--rank-timeout", o->run.rankTimeout,
              "With several processes (mpirun): seconds without a sign of life, after which a "
              "process has "
              "failed (default 6)")
          ->check(between(1, 3600));
  command->add_flag_callback(
      "--no-pin", [o] { o->pin = false; }, "Do not bind workers to processors");
  command->add_flag_callback(
      "--no-limits", [o] { o->limits = false; }, "Do not measure the machine's limit");
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->footer("\nRows of bf16 are added up in f32 and rounded once. `us` is the median over "
                  "rounds, `beyond` what it is "
                  "more than the limit:\nthe time to read the bytes that come to a chip.\n\n"
                  "Examples:\n  tenon bench collectives\n"
                  "  tenon bench collectives --kinds all_reduce --rows 1 --hidden 576 --json\n"
                  "  mpirun -n 2 tenon bench collectives");
  command->callback([o, command, timeout, &action] {
    if (timeout->count() && collective::launchedProcesses() == 1)
      throw CLI::ValidationError("--rank-timeout",
                                 "is for several processes; start them with mpirun");
    if (o->kinds.size() == 1 && o->kinds[0] == nameOf(ProbedCollective::Barrier))
      for (const char *size : {"--rows", "--hidden", "--type"})
        if (command->count(size))
          throw CLI::ValidationError(size, "a barrier moves nothing; leave it out");
    action = [o] { return onEveryProcess(o->run, [&] { return run(*o); }); };
  });
  return command;
}

} // namespace tenon::tool
