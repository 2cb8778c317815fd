//===- BenchServe.h - tenon bench serve -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHSERVE_H
#define TENON_TOOLS_TENON_BENCHSERVE_H

#include "tools/tenon/Command.h"

namespace tenon::tool {

/// Adds `serve` to the bench command; parsing it sets `action`. Returns the subcommand.
CLI::App *addBenchServe(CLI::App &bench, Action &action);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHSERVE_H
