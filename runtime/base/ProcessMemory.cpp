//===- ProcessMemory.cpp - What this process occupies ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/ProcessMemory.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace tenon {

/// The value in kB of the first line of `path` that starts with `key`, as bytes.
static uint64_t field(const char *path, const char *key) {
  std::FILE *file = std::fopen(path, "r");
  if (!file)
    return 0;
  char line[256];
  uint64_t kilobytes = 0;
  while (std::fgets(line, sizeof(line), file))
    if (std::strncmp(line, key, std::strlen(key)) == 0 &&
        std::sscanf(line + std::strlen(key), "%" SCNu64, &kilobytes) == 1)
      break;
  std::fclose(file);
  return kilobytes * 1024;
}

uint64_t residentBytes() {
  if (const uint64_t bytes = field("/proc/self/smaps_rollup", "Rss:"))
    return bytes;
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  if (!file)
    return 0;
  uint64_t total = 0, resident = 0;
  const int got = std::fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident);
  std::fclose(file);
  return got == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

/// The number behind `key` in the first line of `path` that starts with it; nothing for "max" and
/// what cannot be read.
static std::optional<uint64_t> number(const std::string &path, const std::string &key = "") {
  std::FILE *file = std::fopen(path.c_str(), "r");
  if (!file)
    return std::nullopt;
  char line[256];
  std::optional<uint64_t> found;
  while (std::fgets(line, sizeof(line), file))
    if (uint64_t value = 0; std::strncmp(line, key.c_str(), key.size()) == 0) {
      if (std::sscanf(line + key.size(), "%" SCNu64, &value) == 1)
        found = value;
      break;
    }
  std::fclose(file);
  return found;
}

/// The path of the process's group (v2), as /proc/self/cgroup has it: "/" or "/a/b".
static std::string controlGroup(const std::string &root) {
  std::FILE *file = std::fopen((root + "/proc/self/cgroup").c_str(), "r");
  if (!file)
    return "/";
  char line[4096];
  std::string path = "/";
  while (std::fgets(line, sizeof(line), file))
    if (std::strncmp(line, "0::", 3) == 0)
      path.assign(line + 3, std::strcspn(line + 3, "\n"));
  std::fclose(file);
  return path;
}

std::optional<uint64_t> availableBytes(const std::string &root) {
  std::optional<uint64_t> most;
  if (const auto kilobytes = number(root + "/proc/meminfo", "MemAvailable:"))
    most = *kilobytes * 1024;
  const std::string mount = root + "/sys/fs/cgroup";
  for (std::string group = controlGroup(root);; group.resize(group.rfind('/'))) {
    const std::string folder = mount + group + "/";
    const auto limit = number(folder + "memory.max"), used = number(folder + "memory.current");
    if (limit && used) {
      const uint64_t cached =
          std::min(*used, number(folder + "memory.stat", "inactive_file ").value_or(0));
      const uint64_t left = *limit - std::min(*limit, *used - cached);
      most = std::min(most.value_or(left), left);
    }
    if (group.rfind('/') == std::string::npos || group.size() <= 1)
      return most;
  }
}

void resetPeakResident() {
  if (std::FILE *file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

uint64_t peakResidentBytes() { return field("/proc/self/status", "VmHWM:"); }

} // namespace tenon
