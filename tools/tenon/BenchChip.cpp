//===- BenchChip.cpp - This machine's limits for tenon bench --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchChip.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "tools/tenon/Session.h"
#include "tools/tenon/WriteChips.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <string>

namespace tenon::tool {

namespace {

constexpr uint64_t kMebibyte = uint64_t(1) << 20;

uint64_t cacheBytes(const cpu::Topology &topology, uint32_t level) {
  for (const cpu::Cache &c : topology.caches)
    if (c.level == level)
      return c.bytes;
  return 0;
}

/// Where each figure of `limits` stands in JSON and in the table.
template <typename Visit> void forEachRate(ChipLimits &limits, Visit &&visit) {
  visit("dram_bytes_per_second", "read from memory", limits.dram);
  visit("l3_bytes_per_second", "read from L3", limits.l3);
  visit("l2_bytes_per_second", "read from L2", limits.l2);
  static const char *const titles[] = {"f32 multiply-add", "bf16 (AVX-512)", "int8 (VNNI)",
                                       "bf16 (AMX tiles)", "int8 (AMX tiles)"};
  for (cpu::MacUnit unit : cpu::kMacUnits) {
    const size_t i = static_cast<size_t>(unit);
    const std::string key = std::string(cpu::macUnitName(unit)) + "_macs_per_second";
    visit(key.c_str(), titles[i], limits.units[i]);
  }
}

} // namespace

double ChipLimits::bytesPerSecond(double workingSet) const {
  const bool cached = l3.together.median > 0 && workingSet <= double(l3Bytes) / 2;
  return cached ? l3.together.median : dram.together.median;
}

void ChipLimits::improveWith(const ChipLimits &other) {
  const auto better = [](cpu::ProbeRate &mine, const cpu::ProbeRate &theirs) {
    const double best = std::max(mine.best, theirs.best);
    if (theirs.median > mine.median)
      mine = theirs;
    mine.best = best;
  };
  ChipLimits copy = other;
  const ChipRate *from[3 + std::size(cpu::kMacUnits)];
  size_t count = 0;
  forEachRate(copy, [&](const char *, const char *, ChipRate &rate) { from[count++] = &rate; });
  count = 0;
  forEachRate(*this, [&](const char *, const char *, ChipRate &rate) {
    better(rate.together, from[count]->together);
    better(rate.alone, from[count++]->alone);
  });
}

StatusOr<ChipLimits> measureChip(uint32_t threads, double seconds) {
  const cpu::Topology &topology = cpu::readTopology();
  WorkerGroup::Options options;
  options.workers = threads;
  if (threads <= topology.processors.size())
    options.processors.assign(topology.processors.begin(), topology.processors.begin() + threads);
  auto group = WorkerGroup::start(std::move(options));
  if (!group)
    return group.status();
  ChipLimits limits;
  limits.threads = threads;
  limits.l2BytesEach = cacheBytes(topology, 2);
  limits.l3Bytes = cacheBytes(topology, 3);
  // Memory is what all caches together cannot hold; a gibibyte in all is enough for that and small
  // enough to be had.
  const uint64_t dramEach =
      std::max(std::min(4 * limits.l3Bytes, 1024 * kMebibyte / threads), 64 * kMebibyte);
  auto probe = cpu::ReadProbe::create(**group, dramEach);
  if (!probe)
    return probe.status();
  limits.hugeShare = double(probe->hugeBytes()) / double(dramEach * threads);

  const double each = seconds / (2 * (3 + std::size(cpu::kMacUnits)));
  const auto measureBoth = [&](ChipRate &into, auto &&measure) {
    into.together = measure(threads);
    into.alone = threads == 1 ? into.together : measure(1u);
  };
  // Memory is what neighbours disturb most: it gets the time that missing units do not take.
  measureBoth(limits.dram, [&](uint32_t n) { return probe->measure(n, dramEach, 2 * each); });
  if (limits.l3Bytes >= 4 * kMebibyte)
    measureBoth(limits.l3,
                [&](uint32_t n) { return probe->measure(n, limits.l3Bytes / 2 / n, each); });
  if (limits.l2BytesEach >= 128 * 1024)
    measureBoth(limits.l2,
                [&](uint32_t n) { return probe->measure(n, limits.l2BytesEach / 2, each); });
  for (cpu::MacUnit unit : cpu::kMacUnits)
    measureBoth(limits.units[static_cast<size_t>(unit)],
                [&](uint32_t n) { return cpu::probeMacs(**group, unit, n, each / 2); });
  return limits;
}

boost::json::object machineJson(const ChipLimits &measured) {
  ChipLimits limits = measured;
  const cpu::Topology &topology = cpu::readTopology();
  const cpu::CpuFeatures &features = cpu::cpuFeatures();
  boost::json::array caches, variants;
  for (const cpu::Cache &c : topology.caches)
    caches.push_back({{"level", c.level}, {"bytes", c.bytes}});
  for (engine::Variant v : cpu::kVariants)
    if (cpu::missingFor(v, features).empty()) {
      const std::string_view name = cpu::variantName(v);
      variants.push_back(boost::json::string(name.data(), name.size()));
    }
  boost::json::object machine = {
      {"processor", cpu::cpuName()},     {"processors", topology.processors.size()},
      {"cores", topology.cores},         {"caches", std::move(caches)},
      {"variants", std::move(variants)}, {"threads", limits.threads}};
  if (!limits.known())
    return machine;
  machine["probe_huge_page_share"] = limits.hugeShare;
  boost::json::object passes;
  forEachRate(limits, [&](const char *key, const char *, const ChipRate &rate) {
    const std::string name = key;
    machine[name] = rate.together.median;
    machine[name + "_best"] = rate.together.best;
    machine[name + "_one_thread"] = rate.alone.median;
    machine[name + "_one_thread_best"] = rate.alone.best;
    passes[name] = {{"passes", rate.together.passes}, {"disturbed", rate.together.disturbed}};
  });
  machine["probe_passes"] = std::move(passes);
  return machine;
}

Status runBenchChip(uint32_t threads, bool json, const WriteChipsOptions &write) {
  auto measured = measureChip(threads ? threads : cpu::readTopology().usefulWorkers, 6);
  if (!measured)
    return measured.status();
  ChipLimits &chip = *measured;
  if (!write.path.empty()) {
    WriteChipsOptions options = write;
    options.threads = chip.threads;
    TENON_RETURN_IF_ERROR(writeChips(options, chip));
  }
  if (json) {
    printJson({{"machine", machineJson(chip)}});
    return Status::ok();
  }
  fmt::print("{}, {} threads, {:.0f} % of the probe's buffer in huge pages\n\n"
             "{:<20}{:>12}{:>10}{:>10}{:>14}{:>10}{:>20}\n",
             cpu::cpuName(), chip.threads, 100 * chip.hugeShare, "", "", "together", "best",
             "one thread", "best", "disturbed passes");
  forEachRate(chip, [](const char *key, const char *title, const ChipRate &rate) {
    if (rate.together.median == 0)
      return;
    const bool bytes = std::string_view(key).find("bytes") != std::string_view::npos;
    fmt::print("{:<20}{:>12}{:>10.1f}{:>10.1f}{:>14.1f}{:>10.1f}{:>20}\n", title,
               bytes ? "GB/s" : "GMAC/s", rate.together.median * 1e-9, rate.together.best * 1e-9,
               rate.alone.median * 1e-9, rate.alone.best * 1e-9,
               fmt::format("{} of {}", rate.together.disturbed, rate.together.passes));
  });
  fmt::print("\nmedians and bests of passes of half a millisecond during which no worker lost its "
             "processor\n");
  return Status::ok();
}

} // namespace tenon::tool
