//===- Topology.h - Processors that workers may use -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Read from sysfs on purpose: a topology library costs more start-up time than an engine's load and
// brings libudev along. What is needed here is small: which processors share a core, and in what
// order to use them.
//
#ifndef TENON_RUNTIME_DEVICE_CPU_TOPOLOGY_H
#define TENON_RUNTIME_DEVICE_CPU_TOPOLOGY_H

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

struct Cache {
  uint32_t level;
  std::string type; ///< "Data", "Unified"
  uint64_t bytes;
};

struct Topology {
  /// Processors this process may use, one per core first, then the cores' other threads.
  std::vector<int> processors;
  uint32_t cores = 0; ///< Distinct cores among them.
  /// Worker threads worth starting: cores, or fewer where a control group limits processor time.
  uint32_t usefulWorkers = 1;
  std::vector<Cache> caches; ///< Data caches of the first processor, inner to outer.
};

/// The process's affinity, sysfs and the control group's quota; one processor where nothing can be
/// read. Read once, at the first call, which must come before a worker group pins the calling
/// thread: a pinned thread sees its own processor only.
const Topology &readTopology();

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_TOPOLOGY_H
