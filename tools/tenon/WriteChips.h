//===- WriteChips.h - This machine as a chips file --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_WRITECHIPS_H
#define TENON_TOOLS_TENON_WRITECHIPS_H

#include "runtime/base/Status.h"
#include "tools/tenon/BenchChip.h"

#include <string>

namespace tenon::tool {

struct WriteChipsOptions {
  std::string path;
  /// For one chip. Its kernels say what a kernel reaches; without it the probes say what none can
  /// exceed.
  std::string engine;
  uint32_t chips = 1;
  uint32_t threads = 1; ///< Of all chips together.
};

/// Describes this machine as `chips` chips of threads/chips workers, for tenon-compile --chips
/// (docs/chips.md). `limits` was measured with all threads.
Status writeChips(const WriteChipsOptions &options, const ChipLimits &limits);

/// Writes a whole file; the error names it.
Status writeFile(const std::string &path, const std::string &text);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_WRITECHIPS_H
