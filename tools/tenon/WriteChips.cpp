//===- WriteChips.cpp - This machine as a chips file ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/WriteChips.h"

#include "runtime/base/Arena.h"
#include "runtime/base/Clock.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "tools/tenon/CollectiveProbe.h"
#include "tools/tenon/KernelRates.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace tenon::tool {

namespace {

double bestUnit(const ChipLimits &limits, cpu::MacUnit one, cpu::MacUnit other) {
  return std::max(limits.unit(one).together.median, limits.unit(other).together.median);
}

/// Upper bounds, from the probes of as many threads as a chip has.
KernelRates fromProbes(const ChipLimits &chip) {
  KernelRates rates;
  rates.read = rates.context = chip.dram.together.median;
  rates.int8 = bestUnit(chip, cpu::MacUnit::Int8, cpu::MacUnit::AmxInt8);
  rates.f32 = chip.unit(cpu::MacUnit::F32).together.median;
  rates.bf16 = bestUnit(chip, cpu::MacUnit::Bf16, cpu::MacUnit::AmxBf16);
  if (rates.bf16 == 0) // No such unit: bf16 is widened and multiplied as f32.
    rates.bf16 = rates.f32;
  rates.launch = 1e-7;
  return rates;
}

/// Bytes a second that the workers together write to memory.
StatusOr<double> writeBandwidth(uint32_t threads) {
  constexpr uint64_t kEach = uint64_t(128) << 20;
  auto buffer =
      Arena::map(kEach * threads, {.hugePages = true, .populate = true}, "the buffer to write to");
  if (!buffer)
    return buffer.status();
  WorkerGroup::Options options;
  options.workers = threads;
  const cpu::Topology &topology = cpu::readTopology();
  if (threads <= topology.processors.size())
    options.processors.assign(topology.processors.begin(), topology.processors.begin() + threads);
  auto group = WorkerGroup::start(std::move(options));
  if (!group)
    return group.status();
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const Stopwatch watch;
    (*group)->runEach(
        [&](uint32_t worker) { std::memset(buffer->data() + worker * kEach, pass, kEach); });
    best = std::max(best, double(kEach) * threads / watch.seconds());
  }
  return best;
}

/// The time by which chips reach each other, and the bytes a second of one to another.
StatusOr<boost::json::object> linkOf(uint32_t chips, uint32_t workersEach) {
  auto probe = CollectiveProbe::create({.chips = chips, .workersEach = workersEach});
  if (!probe)
    return probe.status();
  constexpr uint64_t kRows = 64, kColumns = 1024;
  auto small = (*probe)->measure(ProbedCollective::AllReduce, workersEach, 16, 0.2);
  auto large = (*probe)->measure(ProbedCollective::AllReduce, kRows, kColumns, 0.4);
  if (!small || !large)
    return small ? large.status() : small.status();
  const double bytes = double(kRows * kColumns * sizeof(float));
  const double latency = small->median;
  return boost::json::object{{"group", chips},
                             {"latency_seconds", latency},
                             // Every pair at once: latency + incoming bytes / bandwidth.
                             {"bandwidth", factsOf(ProbedCollective::AllReduce, chips).incoming *
                                               bytes / std::max(large->median - latency, 1e-9)},
                             {"topology", "all_to_all"}};
}

} // namespace

Status writeFile(const std::string &path, const std::string &text) {
  std::FILE *file = std::fopen(path.c_str(), "wb");
  if (!file)
    return Status::invalidArgument(path + ": " + std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed)
    return Status::resourceExhausted(path + ": cannot write: " + std::strerror(errno));
  return Status::ok();
}

Status writeChips(const WriteChipsOptions &o, const ChipLimits &all) {
  if (o.threads < o.chips)
    return Status::invalidArgument(
        fmt::format("{} threads for {} chips; each needs one", o.threads, o.chips));
  const uint32_t each = o.threads / o.chips;
  ChipLimits one = all;
  if (each != all.threads) {
    auto measured = measureChip(each, 3);
    if (!measured)
      return measured.status();
    one = *measured;
  }
  auto write = writeBandwidth(each);
  if (!write)
    return write.status();
  KernelRates rates = fromProbes(one);
  double shared = all.dram.together.median, sharedContext = shared;
  if (!o.engine.empty()) {
    auto reached = measureKernels(o.engine, each, rates);
    if (!reached)
      return reached.status();
    rates = *reached;
    if (o.chips > 1) {
      auto together = measureKernels(o.engine, each * o.chips, fromProbes(all));
      if (!together)
        return together.status();
      shared = together->read;
      sharedContext = together->context;
    }
  }
  const uint64_t memory = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  boost::json::object chip = {
      {"kind", "cpu"},
      {"count", o.chips},
      {"memory", memory / o.chips},
      {"read_bandwidth", rates.read},
      {"context_bandwidth", rates.context},
      {"write_bandwidth", *write},
      {"macs_per_second", {{"int8", rates.int8}, {"bf16", rates.bf16}, {"f32", rates.f32}}},
      {"launch_seconds", rates.launch}};
  if (!rates.int8ByRows.empty()) {
    boost::json::array points;
    for (const auto &[rows, macs] : rates.int8ByRows)
      points.push_back(boost::json::array{rows, macs});
    chip["int8_by_rows"] = std::move(points);
  }
  boost::json::array links;
  if (o.chips > 1) {
    chip["shared_read_bandwidth"] = shared;
    chip["shared_context_bandwidth"] = sharedContext;
    chip["shared_by"] = o.chips;
    auto link = linkOf(o.chips, each);
    if (!link)
      return link.status();
    links.push_back(std::move(*link));
  }
  const std::string name =
      fmt::format("{}, {} chip{} of {} thread{} ({})", cpu::cpuName(), o.chips,
                  o.chips == 1 ? "" : "s", each, each == 1 ? "" : "s",
                  o.engine.empty() ? "probes: upper bounds" : "measured with an engine's kernels");
  const boost::json::object file = {
      {"name", name}, {"chips", boost::json::array{std::move(chip)}}, {"links", std::move(links)}};
  TENON_RETURN_IF_ERROR(writeFile(o.path, boost::json::serialize(file) + "\n"));
  fmt::print(stderr, "{}: {}\n", o.path, name);
  return Status::ok();
}

} // namespace tenon::tool
