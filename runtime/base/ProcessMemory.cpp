//===- ProcessMemory.cpp - What this process occupies ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/ProcessMemory.h"

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

void resetPeakResident() {
  if (std::FILE *file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

uint64_t peakResidentBytes() { return field("/proc/self/status", "VmHWM:"); }

} // namespace tenon
