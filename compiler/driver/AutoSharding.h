//===- AutoSharding.h - Which strategy suits the chips ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_AUTOSHARDING_H
#define TENON_COMPILER_DRIVER_AUTOSHARDING_H

#include "compiler/driver/ChipsFile.h"
#include "compiler/driver/MemorySummary.h"
#include "compiler/driver/Pipeline.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::compiler {

/// One way to share a model, and what it would be like.
struct Strategy {
  GridChoice grid;
  uint64_t memory = 0;     ///< Of the fullest chip, in bytes.
  double firstToken = 0;   ///< Seconds to the first token of a 512-token prompt.
  double tokenSeconds = 0; ///< Seconds for each further token of one sequence.
  double throughput = 0;   ///< Tokens a second of 16 sequences, replicas and stages kept full.
  double request = 0;      ///< Seconds of a request: the prompt and 128 tokens.
  std::string verdict;     ///< "chosen", or why it lost.
  bool possible = false;
};

/// What a plan would be like on the chips.
Strategy predict(const GridChoice &grid, mlir::plan::EngineOp plan, const ChipsFile &chips,
                 llvm::ArrayRef<MemorySummary> memory);

/// Every strategy that was weighed, and the plan of the one that is marked "chosen".
struct StrategySearch {
  std::vector<Strategy> strategies;
  GridChoice grid;
  std::optional<Compiled> compiled; ///< Without --explain's decisions.
};

/// Plans every grid of all the chips and marks the best that fits "chosen": the one with the
/// shortest request, or with the most tokens a second if options.prefer says so. Reads no weight
/// data. Fails if none is possible, with the reasons.
llvm::Expected<StrategySearch> searchStrategies(const frontend::Checkpoint &checkpoint,
                                                const CompileOptions &options,
                                                llvm::StringRef target, const ChipsFile &chips);

/// The table, a line for each strategy.
void printStrategies(llvm::raw_ostream &out, llvm::ArrayRef<Strategy> strategies);
llvm::json::Array strategiesAsJson(llvm::ArrayRef<Strategy> strategies);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_AUTOSHARDING_H
