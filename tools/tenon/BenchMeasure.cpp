//===- BenchMeasure.cpp - The rows of tenon bench -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchMeasure.h"

#include "tools/tenon/BenchCell.h"

#include <fmt/core.h>

#include <algorithm>
#include <unistd.h>

namespace tenon::tool {

namespace {

bool contains(const std::vector<uint32_t> &list, uint32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

} // namespace

StatusOr<BenchResults> measureGrid(Session &session, const BenchOptions &o) {
  const std::vector<uint32_t> &contexts = o.contexts.empty() ? o.promptTokens : o.contexts;
  std::vector<uint32_t> lengths = o.promptTokens;
  for (uint32_t context : contexts)
    if (!contains(lengths, context))
      lengths.push_back(context);
  for (uint32_t sequences : o.sequences)
    for (uint32_t tokens : lengths)
      TENON_RETURN_IF_ERROR(CellRun(session, o, sequences, tokens).check());

  BenchResults results;
  const LaunchDetail detail = o.launches.value_or(o.json ? LaunchDetail::All : LaunchDetail::First);
  for (uint32_t sequences : o.sequences) {
    const size_t firstCell = results.cells.size();
    for (uint32_t tokens : lengths) {
      const bool wantPrefill = contains(o.promptTokens, tokens);
      const bool wantDecode = contains(contexts, tokens);
      if (isatty(STDERR_FILENO))
        fmt::print(stderr, "measuring {} sequences at {} tokens\n", sequences, tokens);
      const Ledger none(session.plan(), session.engine().variant(),
                        std::min(session.plan().replicas, sequences));
      results.cells.push_back(std::make_unique<Cell>(
          Cell{sequences, tokens, 1, {}, {}, none, none, nullptr, false, 0, 0, {}}));
      Cell &cell = *results.cells.back();
      CellRun run(session, o, sequences, tokens);
      if (!o.watchOnly)
        TENON_RETURN_IF_ERROR(run.measure(cell, wantPrefill, wantDecode));
      // The first row's prefill and decode.
      const bool first = sequences == o.sequences.front() &&
                         (tokens == o.promptTokens.front() || tokens == contexts.front());
      if (o.watchOnly || detail == LaunchDetail::All || (detail == LaunchDetail::First && first)) {
        TENON_RETURN_IF_ERROR(run.measureLaunches(cell, wantPrefill, wantDecode));
        if (!o.watchOnly)
          TENON_RETURN_IF_ERROR(run.traceChips(cell, wantDecode));
      }
    }
    const auto cell = [&](uint32_t tokens) -> const Cell * {
      for (size_t c = firstCell; c < results.cells.size(); ++c)
        if (results.cells[c]->tokens == tokens)
          return results.cells[c].get();
      return nullptr;
    };
    for (uint32_t prompt : o.promptTokens) {
      if (o.contexts.empty()) {
        results.rows.push_back({cell(prompt), cell(prompt)});
        continue;
      }
      for (uint32_t context : o.contexts)
        results.rows.push_back({cell(prompt), cell(context)});
    }
  }
  session.releaseExecutor();
  return results;
}

} // namespace tenon::tool
