//===- AutoSharding.cpp - Which strategy suits the chips ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/AutoSharding.h"

#include "compiler/driver/Prediction.h"

#include "mlir/IR/Operation.h"
#include "llvm/Support/Format.h"

#include <algorithm>

namespace tenon::compiler {

namespace {
constexpr uint64_t kPrompt = 512, kAnswer = 128, kSequences = 16;

/// Every way to write `count` as replicas x chips of a layer x stages; fewest replicas and widest
/// layers first.
std::vector<GridChoice> gridsOf(int64_t count) {
  std::vector<GridChoice> grids;
  for (int64_t replicas = 1; replicas <= count; ++replicas)
    for (int64_t tensor = count / replicas; count % replicas == 0 && tensor >= 1; --tensor)
      if (count / replicas % tensor == 0)
        grids.push_back({tensor, count / replicas / tensor, replicas});
  return grids;
}
} // namespace

Strategy predict(const GridChoice &grid, mlir::plan::EngineOp plan, const ChipsFile &chips,
                 llvm::ArrayRef<MemorySummary> memory) {
  Strategy strategy;
  strategy.grid = grid;
  strategy.possible = true;
  for (const MemorySummary &chip : memory)
    strategy.memory = std::max(strategy.memory, chip.total());
  strategy.firstToken = predictPrompts(plan, chips, 1, kPrompt);
  const uint64_t depth = kPrompt + kAnswer / 2;
  strategy.tokenSeconds = predictDecode(plan, chips, 1, depth);
  strategy.request = strategy.firstToken + kAnswer * strategy.tokenSeconds;
  strategy.throughput = kSequences / predictDecode(plan, chips, kSequences, depth);
  for (size_t index = 0; index < std::max(chips.chips.size(), memory.size()); ++index) {
    const MemorySummary &chip = memory[index % memory.size()]; // Of whatever replica.
    const uint64_t given = chips.chips[std::min(index, chips.chips.size() - 1)].memory;
    if (given && chip.total() > given && strategy.possible) {
      strategy.possible = false;
      strategy.verdict = "does not fit: chip " + std::to_string(index) + " needs " +
                         formatBytes(chip.total()) + " of " + formatBytes(given);
    }
  }
  return strategy;
}

llvm::Expected<StrategySearch> searchStrategies(const frontend::Checkpoint &checkpoint,
                                                const CompileOptions &options,
                                                llvm::StringRef target, const ChipsFile &chips) {
  CompileOptions quiet = options;
  quiet.explain = false;
  quiet.dumpAfter.clear();
  const int64_t count = chips.chips.size();
  StrategySearch search;
  std::vector<Strategy> &strategies = search.strategies;
  const bool fullest = options.prefer == "throughput";
  const auto better = [&](const Strategy &a, const Strategy &b) {
    return fullest ? a.throughput > b.throughput : a.request < b.request;
  };
  std::optional<Strategy> leading; // Of the strategies so far.
  for (const GridChoice &grid : gridsOf(count)) {
    StageTimer timer;
    auto compiled = runPipeline(
        checkpoint, quiet, grid, target, timer,
        [](llvm::StringRef, mlir::Operation *) { return true; }, chips);
    if (!compiled) {
      Strategy &strategy = strategies.emplace_back();
      strategy.grid = grid;
      strategy.verdict = "not possible: " + llvm::toString(compiled.takeError());
      continue;
    }
    const Strategy &strategy = strategies.emplace_back(
        predict(grid, *compiled->plan, chips, summarizeChips(*compiled->plan, count)));
    if (!strategy.possible || (leading && !better(strategy, *leading)))
      continue;
    leading = strategy;
    search.grid = grid;
    search.compiled.reset(); // Assignment would destroy the context before what lies in it.
    search.compiled.emplace(std::move(*compiled));
  }
  Strategy *best = nullptr;
  for (Strategy &strategy : strategies)
    if (strategy.possible && (!best || better(strategy, *best)))
      best = &strategy;
  if (!best) {
    std::string reasons;
    for (const Strategy &strategy : strategies)
      reasons += (reasons.empty() ? "" : "; ") + strategy.grid.text() + " " + strategy.verdict;
    return llvm::createStringError("no strategy suits the " + llvm::Twine(count) +
                                   " chips: " + reasons);
  }
  for (Strategy &strategy : strategies)
    if (strategy.possible && &strategy != best) {
      llvm::raw_string_ostream out(strategy.verdict);
      if (fullest)
        out << llvm::format("%.2f x the tokens a second", strategy.throughput / best->throughput);
      else
        out << llvm::format("a request takes %.2f x as long", strategy.request / best->request);
    }
  best->verdict = "chosen";
  return std::move(search);
}

void printStrategies(llvm::raw_ostream &out, llvm::ArrayRef<Strategy> strategies) {
  out << "strategies (prompt of 512 tokens, then 128 tokens; throughput of 16 sequences, dealt out "
         "over replicas), as the chips file predicts:\n"
      << llvm::format("  %-16s %12s %14s %14s %12s  %s\n", "sharding", "chip memory", "first token",
                      "each token", "tokens/s", "");
  for (const Strategy &s : strategies) {
    out << llvm::format("  %-16s ", s.grid.text().c_str());
    if (s.memory)
      out << llvm::format("%12s %11.3f ms %11.3f ms %12.1f  ", formatBytes(s.memory).c_str(),
                          s.firstToken * 1e3, s.tokenSeconds * 1e3, s.throughput);
    else
      out << llvm::format("%12s %14s %14s %12s  ", "-", "-", "-", "-");
    out << s.verdict << "\n";
  }
}

llvm::json::Array strategiesAsJson(llvm::ArrayRef<Strategy> strategies) {
  llvm::json::Array list;
  for (const Strategy &s : strategies)
    list.push_back(llvm::json::Object{{"sharding", s.grid.text()},
                                      {"chip_memory", s.memory},
                                      {"first_token_seconds", s.firstToken},
                                      {"token_seconds", s.tokenSeconds},
                                      {"tokens_per_second", s.throughput},
                                      {"possible", s.possible},
                                      {"verdict", s.verdict}});
  return list;
}

} // namespace tenon::compiler
