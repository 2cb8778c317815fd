//===- BenchReport.h - What tenon bench prints ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHREPORT_H
#define TENON_TOOLS_TENON_BENCHREPORT_H

#include "tools/tenon/BenchMeasure.h"

namespace tenon::tool {

/// Tables for people, at most 120 columns wide.
void printBenchTables(const Session &session, const BenchOptions &options,
                      const BenchResults &results, const ChipLimits &chip);

/// One JSON object; docs/benchmarks.md lists its keys.
void printBenchJson(const Session &session, const BenchOptions &options,
                    const BenchResults &results, const ChipLimits &chip);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHREPORT_H
