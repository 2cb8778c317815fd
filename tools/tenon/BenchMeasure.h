//===- BenchMeasure.h - The rows of tenon bench -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHMEASURE_H
#define TENON_TOOLS_TENON_BENCHMEASURE_H

#include "tools/tenon/BenchLedger.h"
#include "tools/tenon/Session.h"
#include "tools/tenon/StepTrace.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::tool {

/// For which rows launches are measured one by one.
enum class LaunchDetail : uint8_t { None, First, All };

struct BenchOptions {
  RunOptions run;
  std::vector<uint32_t> sequences = {1}, promptTokens = {512};
  std::vector<uint32_t> contexts; ///< Empty: decode follows the prompt.
  uint32_t newTokens = 128, repeat = 3;
  std::optional<LaunchDetail> launches; ///< Absent: all for JSON, the first for people.
  std::string svg, trace;
  bool watchOnly = false; ///< Measure launches alone; rows then have no other figures.
  /// How often the launches of a prefill, and of some decode steps after it, are watched.
  uint32_t watchedFills = 1;
  bool limits = true; ///< Measure the machine; else shares of its limit are not known.
  bool json = false;
};

/// Of many samples.
struct Percentiles {
  double median = 0, p95 = 0, p99 = 0;
};

/// The median of samples during which no thread of the process waited for a processor (RunDelay.h);
/// of all samples where less than one in ten is such.
struct Undisturbed {
  double seconds = 0;
  uint64_t samples = 0, of = 0; ///< How many such samples there were, of how many.
};

/// Prompts of all sequences from an empty cache, each to its first token. With several replicas,
/// tokens are of all together and times those of the slowest. Rates, times and TTFT are of the
/// repetition with the median time; percentiles are over all sequences and repetitions.
struct PrefillFigures {
  uint64_t tokens = 0, steps = 0;
  double seconds = 0, bestSeconds = 0, hostSeconds = 0;
  double ttftMs = 0; ///< Mean over the sequences.
  Percentiles ttft;
  Undisturbed undisturbed;     ///< Of the repetitions.
  std::vector<double> samples; ///< Seconds of each repetition.
};

/// Steps in which every sequence draws its next token and nothing else happens. Rates and times are
/// of the repetition with the median time; percentiles are over all steps of all repetitions.
struct DecodeFigures {
  uint64_t tokens = 0, steps = 0;
  double seconds = 0, bestSeconds = 0, hostSeconds = 0;
  Percentiles stepMs;
  Undisturbed undisturbed; ///< Of the steps.
  std::vector<double> samples;
};

/// What was measured with some sequences at one number of tokens in the cache.
struct Cell {
  uint32_t sequences = 0, tokens = 0;
  uint32_t replicas = 1; ///< That had sequences, dealt out in turn.
  PrefillFigures prefill;
  DecodeFigures decode;
  Ledger prefillWork,
      decodeWork; ///< Of the first replica; with times where launches were measured.
  std::unique_ptr<StepTrace> trace; ///< Where launches were measured.
  bool timed = false;
  uint64_t plannedBytes = 0, peakBytes = 0;
  std::vector<executor::ProcessReport> processes; ///< By rank; empty for one process.
};

/// One line of the report: the prefill of one cell and the decode of another, often the same.
struct Row {
  const Cell *prefill = nullptr, *decode = nullptr;
};

struct BenchResults {
  std::vector<std::unique_ptr<Cell>> cells;
  std::vector<Row> rows; ///< By sequences, then prompt, then context.
};

/// Measures the grid. InvalidArgument if a cell exceeds what the engine allows, before anything is
/// measured.
StatusOr<BenchResults> measureGrid(Session &session, const BenchOptions &options);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHMEASURE_H
