//===- BenchCell.h - Prefill and decode of one cell --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A cell is a number of sequences after a number of tokens. Replicas take their sequences side by
// side, each on a thread of its own.
//
#ifndef TENON_TOOLS_TENON_BENCHCELL_H
#define TENON_TOOLS_TENON_BENCHCELL_H

#include "runtime/generate/Generator.h"
#include "tools/tenon/BenchMeasure.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace tenon::tool {

/// One phase of one repetition.
struct Sample {
  uint64_t tokens = 0, steps = 0;
  double seconds = 0, hostSeconds = 0, ttftMs = 0;
};

/// Times, and whether somebody else took a processor meanwhile.
struct Times {
  std::vector<double> undisturbed, all; ///< Seconds.

  void add(double seconds, uint64_t delayNanos) {
    all.push_back(seconds);
    if (double(delayNanos) * 1e-9 <= seconds / 50 + 1e-6)
      undisturbed.push_back(seconds);
  }
  void append(const Times &other) {
    undisturbed.insert(undisturbed.end(), other.undisturbed.begin(), other.undisturbed.end());
    all.insert(all.end(), other.all.begin(), other.all.end());
  }
  Undisturbed summary() {
    std::vector<double> &counted = undisturbed.size() * 10 >= all.size() ? undisturbed : all;
    if (counted.empty())
      return {};
    std::sort(counted.begin(), counted.end());
    return {counted[(counted.size() - 1) / 2], undisturbed.size(), all.size()};
  }
};

/// Who looks at the first replica's steps of a phase; none, one or both.
struct Watchers {
  Ledger *ledger = nullptr;
  StepTrace *trace = nullptr;
  Status see(executor::Executor &executor, const generate::Generator &generator,
             bool more = false) const {
    if (ledger)
      ledger->add(executor.microBatches(), executor.timings(), more);
    if (!trace)
      return Status::ok();
    TENON_RETURN_IF_ERROR(executor.collectTrace());
    trace->add(executor, generator.lastStep());
    return Status::ok();
  }
};

/// A replica's part of a phase.
struct Lane {
  executor::Executor &executor;
  const uint32_t replica, sequences; ///< Sequences s of all for which s % replicas is this one.
  std::unique_ptr<generate::Generator> generator;
  Sample sample;
  std::vector<double> ttftMs, stepMs;
  Times stepTimes; ///< Of decode().
};

/// Measures one cell on the executors of all replicas.
class CellRun {
public:
  CellRun(Session &session, const BenchOptions &o, uint32_t sequences, uint32_t tokens);

  /// Whether the engine allows it.
  Status check() const;
  Status measure(Cell &cell, bool wantPrefill, bool wantDecode);
  Status measureLaunches(Cell &cell, bool wantPrefill, bool wantDecode);
  Status traceChips(Cell &cell, bool wantDecode);

private:
  Status prepare(Watch watch = Watch::Nothing);
  Status add(Lane &lane, uint32_t tokens, uint32_t newTokens,
             uint64_t *firstNumber = nullptr) const;
  Status warmUp();
  void renewGenerators();
  Status fill(Lane &lane, const Watchers &watchers) const;
  Status decode(Lane &lane, uint32_t steps, const Watchers &watchers) const;
  /// The same phase of all lanes at the same time; `watchers` see the first. Returns all of them
  /// together.
  StatusOr<Sample> fillAll(const Watchers &watchers);
  StatusOr<Sample> decodeAll(uint32_t steps, const Watchers &watchers);
  Sample together() const;
  std::vector<double> takeAll(std::vector<double> Lane::*samples);

  Session &session;
  const BenchOptions &options;
  const uint32_t sequences, promptTokens;
  const uint32_t replicas, most; ///< That have sequences; sequences of the one with most.
  uint32_t leadTokens = 0;
  std::vector<Lane> lanes;
  executor::CapacityRequest wanted;
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHCELL_H
