//===- Progress.h - A line that says how far it is --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_PROGRESS_H
#define TENON_COMPILER_DRIVER_PROGRESS_H

#include "llvm/ADT/StringRef.h"

#include <chrono>

namespace tenon::compiler {

/// Progress of long work on stderr: one line that is rewritten on a terminal, a line every few
/// seconds elsewhere, and nothing for work that is done at once.
class Progress {
public:
  explicit Progress(bool quiet);
  /// `all` says in words what the whole is: "92.3 MiB".
  void update(llvm::StringRef doing, double share, llvm::StringRef all);
  /// Removes the line, so that other output can follow.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  bool quiet, terminal, shown = false;
  Clock::time_point next;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_PROGRESS_H
