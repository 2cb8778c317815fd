//===- BenchChip.cpp - This machine's limits for tenon bench --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchChip.h"

#include "runtime/device/cpu/ChipProbe.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

static uint64_t outerCacheBytes(const cpu::Topology &topology) {
  return topology.caches.empty() ? 0 : topology.caches.back().bytes;
}

double ChipLimits::leastSeconds(double bytes, double macs) const {
  const double fastest = std::max(f32MacsPerSecond, int8MacsPerSecond);
  const double moving = dramBytesPerSecond > 0 ? bytes / dramBytesPerSecond : 0;
  const double computing = fastest > 0 ? macs / fastest : 0;
  return std::max(moving, computing);
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
  const double each = seconds / 6;
  // Far beyond the outer cache, or a fixed size where it is unknown.
  const uint64_t outer = outerCacheBytes(topology);
  const uint64_t dram = std::clamp<uint64_t>(8 * outer, uint64_t(256) << 20, uint64_t(1) << 30);
  const auto read = [&](double &into, uint32_t readers, uint64_t bytes) -> Status {
    auto rate = cpu::probeReadBandwidth(**group, readers, bytes, each);
    if (!rate)
      return rate.status();
    into = *rate;
    return Status::ok();
  };
  TENON_RETURN_IF_ERROR(read(limits.dramBytesPerSecond, threads, dram));
  TENON_RETURN_IF_ERROR(read(limits.dramBytesPerSecondOneThread, 1, dram));
  if (outer >= (uint64_t(4) << 20)) {
    TENON_RETURN_IF_ERROR(read(limits.l3BytesPerSecond, threads, outer / 2));
    TENON_RETURN_IF_ERROR(read(limits.l3BytesPerSecondOneThread, 1, outer / 2));
  }
  limits.f32MacsPerSecond = cpu::probeF32Macs(**group, threads, each);
  limits.int8MacsPerSecond = cpu::probeInt8Macs(**group, threads, each);
  return limits;
}

boost::json::object machineJson(const ChipLimits &limits) {
  const cpu::Topology &topology = cpu::readTopology();
  const cpu::CpuFeatures &features = cpu::cpuFeatures();
  boost::json::array caches, variants;
  for (const cpu::Cache &c : topology.caches)
    caches.push_back({{"level", c.level}, {"bytes", c.bytes}});
  for (engine::Variant v : {engine::Variant::Avx2, engine::Variant::Avx512, engine::Variant::Amx,
                            engine::Variant::Neon})
    if (cpu::missingFor(v, features).empty()) {
      const std::string_view name = cpu::variantName(v);
      variants.push_back(boost::json::string(name.data(), name.size()));
    }
  return {{"processor", cpu::cpuName()},
          {"processors", topology.processors.size()},
          {"cores", topology.cores},
          {"caches", std::move(caches)},
          {"variants", std::move(variants)},
          {"threads", limits.threads},
          {"dram_bytes_per_second", limits.dramBytesPerSecond},
          {"dram_bytes_per_second_one_thread", limits.dramBytesPerSecondOneThread},
          {"l3_bytes_per_second", limits.l3BytesPerSecond},
          {"l3_bytes_per_second_one_thread", limits.l3BytesPerSecondOneThread},
          {"f32_macs_per_second", limits.f32MacsPerSecond},
          {"int8_macs_per_second", limits.int8MacsPerSecond}};
}

} // namespace tenon::tool
