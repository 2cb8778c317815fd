//===- Topology.cpp - Processors that workers may use ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/Topology.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sched.h>

namespace tenon::cpu {

/// First line of a small file without its newline; empty if it cannot be read.
static std::string firstLine(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "r");
  if (!file)
    return {};
  char line[256] = "";
  if (!std::fgets(line, sizeof(line), file))
    line[0] = 0;
  std::fclose(file);
  std::string text = line;
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

/// Processors that the control group (v2) grants, rounded up; 0 if unlimited or unknown.
static uint32_t quotaProcessors() {
  const std::string text = firstLine("/sys/fs/cgroup/cpu.max");
  char *end = nullptr;
  const double quota = std::strtod(text.c_str(), &end);
  if (end == text.c_str())
    return 0;
  const double period = std::strtod(end, nullptr);
  if (!(quota > 0) || !(period > 0))
    return 0;
  const double whole = (quota + period - 1) / period;
  return whole >= 1e6 ? 0 : std::max(1u, static_cast<uint32_t>(whole));
}

static std::vector<Cache> readCaches(int processor) {
  std::vector<Cache> caches;
  const std::string base =
      "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/cache/index";
  for (int index = 0; index < 8; ++index) {
    const std::string folder = base + std::to_string(index) + "/";
    const std::string type = firstLine(folder + "type");
    if (type.empty())
      break;
    const std::string size = firstLine(folder + "size");
    char *unit = nullptr;
    uint64_t bytes = std::strtoull(size.c_str(), &unit, 10);
    if (unit && *unit == 'K')
      bytes <<= 10;
    else if (unit && *unit == 'M')
      bytes <<= 20;
    if (type != "Instruction")
      caches.push_back(
          {static_cast<uint32_t>(std::atoi(firstLine(folder + "level").c_str())), type, bytes});
  }
  return caches;
}

static Topology detectTopology() {
  Topology topology;
  cpu_set_t set;
  CPU_ZERO(&set);
  std::map<std::string, std::vector<int>> cores; // siblings' list -> processors
  std::vector<std::string> order;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) {
        std::string key = firstLine("/sys/devices/system/cpu/cpu" + std::to_string(i) +
                                    "/topology/thread_siblings_list");
        if (key.empty())
          key = "#" + std::to_string(i);
        std::vector<int> &threads = cores[key];
        if (threads.empty())
          order.push_back(key);
        threads.push_back(i);
      }
  if (order.empty()) {
    order.push_back("#0");
    cores["#0"] = {0};
  }
  topology.cores = static_cast<uint32_t>(order.size());
  size_t most = 0;
  for (const std::string &key : order)
    most = std::max(most, cores[key].size());
  for (size_t thread = 0; thread < most; ++thread)
    for (const std::string &key : order)
      if (thread < cores[key].size())
        topology.processors.push_back(cores[key][thread]);
  topology.usefulWorkers = topology.cores;
  if (const uint32_t quota = quotaProcessors())
    topology.usefulWorkers = std::min(topology.usefulWorkers, quota);
  topology.caches = readCaches(topology.processors[0]);
  return topology;
}

const Topology &readTopology() {
  static const Topology topology = detectTopology();
  return topology;
}

} // namespace tenon::cpu
