//===- StepTables.cpp - Which tokens a step has ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/StepTables.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

uint64_t StepTables::bytes(const Capacity &c) {
  const uint64_t exact =
      uint64_t(c.stepTokens) * (4 * sizeof(int32_t) + sizeof(cpu::AttentionTile)) +
      uint64_t(c.logitRows) * sizeof(int32_t) +
      uint64_t(c.sequences) * c.blockTableStride * sizeof(int32_t);
  return (exact + 63) / 64 * 64;
}

StepTables::StepTables(const Capacity &c, uint32_t vocabulary, uint32_t micro, bool keepsRows,
                       std::byte *at)
    : limits(c), vocabulary(vocabulary), mostBatches(micro), keepsRows(keepsRows) {
  const auto take = [&](auto *&array, uint64_t count) {
    array = reinterpret_cast<std::remove_reference_t<decltype(array)>>(at);
    at += count * sizeof(*array);
  };
  take(tiles, limits.stepTokens);
  take(tokenIds, limits.stepTokens);
  take(positions, limits.stepTokens);
  take(rowSequence, limits.stepTokens);
  take(keptRowIds, limits.stepTokens);
  take(logitRowIds, limits.logitRows);
  take(blockTables, uint64_t(limits.sequences) * limits.blockTableStride);
  batches.reserve(mostBatches);
}

Status StepTables::check(std::span<const StepRows> rows) const {
  if (rows.empty() || rows.size() > limits.sequences)
    return Status::invalidArgument(
        fmt::format("a step of {} sequences; 1 to {} are possible", rows.size(), limits.sequences));
  uint32_t tokens = 0, logits = 0;
  for (const StepRows &r : rows) {
    const uint64_t end = uint64_t(r.firstPosition) + r.tokens.size();
    if (r.tokens.empty() || r.tokens.size() > limits.stepTokens - tokens)
      return Status::invalidArgument(fmt::format(
          "a step of more than {} tokens, or a sequence without any", limits.stepTokens));
    if (end > limits.context || end > r.blocks.size() * uint64_t(cpu::kBlockTokens) ||
        r.blocks.size() > limits.blockTableStride)
      return Status::invalidArgument(
          fmt::format("positions to {} with {} blocks: a sequence may have {} positions", end,
                      r.blocks.size(), limits.context));
    if (r.logitRows > r.tokens.size() || r.logitRows > limits.logitRows - logits)
      return Status::invalidArgument(
          fmt::format("a step with logits for more than {} rows", limits.logitRows));
    for (int32_t block : r.blocks)
      if (uint32_t(block) >= limits.kvBlocks)
        return Status::invalidArgument(fmt::format("KV block {} of {}", block, limits.kvBlocks));
    for (int32_t token : r.tokens)
      if (uint32_t(token) >= vocabulary)
        return Status::invalidArgument(
            fmt::format("token {} lies outside the vocabulary of {}", token, vocabulary));
    tokens += static_cast<uint32_t>(r.tokens.size());
    logits += r.logitRows;
  }
  return Status::ok();
}

void StepTables::begin(uint32_t sequences) {
  MicroBatch &batch = batches.emplace_back();
  batch.firstRow = numRows;
  batch.firstLogit = numLogits;
  cpu::StepView &view = batch.view;
  view = {};
  view.numSequences = sequences;
  view.blockTableStride = limits.blockTableStride;
  view.tokenIds = tokenIds + numRows;
  view.positions = positions + numRows;
  view.rowSequence = rowSequence + numRows;
  view.blockTables = blockTables;
  view.logitRows = logitRowIds + numLogits;
  view.attentionTiles = tiles + numTiles;
  batch.keptRows = keptRowIds + numKept;
}

/// Row `index` of a sequence's, behind the last one.
void StepTables::addRow(const StepRows &rows, uint32_t sequence, uint32_t index) {
  MicroBatch &batch = batches.back();
  cpu::StepView &view = batch.view;
  tokenIds[numRows] = rows.tokens[index];
  positions[numRows] = static_cast<int32_t>(rows.firstPosition + index);
  rowSequence[numRows] = static_cast<int32_t>(sequence);
  batch.context += uint64_t(rows.firstPosition) + index + 1;

  // Tiles begin where a sequence does, and where a micro-batch cuts it.
  const uint32_t row = view.numTokens++;
  cpu::AttentionTile *last = view.numAttentionTiles ? tiles + numTiles - 1 : nullptr;
  if (index > 0 && last && last->rowCount < cpu::kAttentionTileRows) {
    ++last->rowCount;
  } else {
    tiles[numTiles++] = {row, 1};
    ++view.numAttentionTiles;
  }
  const bool hasLogits = index + rows.logitRows >= rows.tokens.size();
  if (hasLogits) {
    logitRowIds[numLogits++] = static_cast<int32_t>(keepsRows ? batch.numKept : row);
    ++view.numLogitRows;
  }
  if (keepsRows && (hasLogits || keepsAll)) {
    keptRowIds[numKept++] = static_cast<int32_t>(row);
    ++batch.numKept;
  }
  ++numRows;
}

Status StepTables::fill(std::span<const StepRows> rows, uint32_t each) {
  TENON_RETURN_IF_ERROR(check(rows));
  batches.clear();
  numRows = numLogits = numTiles = numKept = 0;
  keepsAll = std::any_of(rows.begin(), rows.end(), [](const StepRows &r) { return r.keepsHidden; });
  for (uint32_t s = 0; s < rows.size(); ++s) {
    std::copy(rows[s].blocks.begin(), rows[s].blocks.end(),
              blockTables + uint64_t(s) * limits.blockTableStride);
    for (uint32_t i = 0; i < rows[s].tokens.size(); ++i) {
      if (batches.empty() ||
          (batches.back().view.numTokens >= each && batches.size() < mostBatches))
        begin(static_cast<uint32_t>(rows.size()));
      addRow(rows[s], s, i);
    }
  }
  return Status::ok();
}

} // namespace tenon::executor
