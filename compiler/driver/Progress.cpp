//===- Progress.cpp - A line that says how far it is ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <unistd.h>

namespace tenon::compiler {

static constexpr std::chrono::milliseconds kTerminalInterval(100), kLogInterval(5000);

Progress::Progress(bool quiet)
    : quiet(quiet), terminal(::isatty(STDERR_FILENO)),
      next(Clock::now() + (terminal ? kTerminalInterval : kLogInterval)) {}

void Progress::update(llvm::StringRef doing, double share, llvm::StringRef all) {
  const Clock::time_point now = Clock::now();
  if (quiet || now < next)
    return;
  next = now + (terminal ? kTerminalInterval : kLogInterval);
  llvm::errs() << (terminal ? "\r\x1b[K" : "") << doing
               << llvm::format(" %3.0f %% of ", 100 * share) << all << (terminal ? "" : "\n");
  shown = terminal;
}

void Progress::clear() {
  if (shown)
    llvm::errs() << "\r\x1b[K";
  shown = false;
}

} // namespace tenon::compiler
