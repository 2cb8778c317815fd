//===- BenchCollectives.h - tenon bench collectives -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHCOLLECTIVES_H
#define TENON_TOOLS_TENON_BENCHCOLLECTIVES_H

#include "tools/tenon/Command.h"

namespace tenon::tool {

/// Adds `collectives` to the bench command; parsing it sets `action`. Returns the subcommand.
CLI::App *addBenchCollectives(CLI::App &bench, Action &action);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHCOLLECTIVES_H
