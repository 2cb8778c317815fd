//===- XgrammarLog.cpp - What the library says meanwhile ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/XgrammarLog.h"

#include <stdexcept>
#include <utility>

static thread_local std::string firstWarning;

// The library calls these in place of writing to standard error, where a client's words must not
// go.
namespace xgrammar {

[[noreturn]] void LogFatalImpl(const std::string &, int, const std::string &message) {
  throw std::runtime_error(message);
}

void LogMessageImpl(const std::string &, int, int level, const std::string &message) {
  constexpr int warning = 2;
  if (level == warning && firstWarning.empty())
    firstWarning = message;
}

} // namespace xgrammar

namespace tenon::grammar {

std::string takeWarning() { return std::exchange(firstWarning, {}); }

} // namespace tenon::grammar
