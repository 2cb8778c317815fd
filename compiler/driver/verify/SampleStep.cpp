//===- SampleStep.cpp - A small step to compare kernels on ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/SampleStep.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace tenon::compiler {

AlignedBytes::AlignedBytes(size_t size) : length((size + 63) / 64 * 64) {
  bytes.reset(static_cast<uint8_t *>(std::aligned_alloc(64, std::max<size_t>(length, 64))));
  std::memset(bytes.get(), 0, length);
}

uint64_t SampleRandom::next() {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

SampleStep::SampleStep(llvm::ArrayRef<SampleRun> runs, uint32_t vocabulary, SampleRandom &random) {
  for (auto [sequence, run] : llvm::enumerate(runs)) {
    for (uint32_t row = 0; row < run.rows; ++row) {
      if (row % cpu::kAttentionTileRows == 0)
        tiles.push_back(
            {static_cast<uint32_t>(ids.size()), std::min(cpu::kAttentionTileRows, run.rows - row)});
      ids.push_back(static_cast<int32_t>(random.next() % vocabulary));
      positions.push_back(static_cast<int32_t>(run.firstPosition + row));
      sequences.push_back(static_cast<int32_t>(sequence));
    }
    logitRows.push_back(static_cast<int32_t>(ids.size()) - 1);
    stride = std::max(stride,
                      (run.firstPosition + run.rows + cpu::kBlockTokens - 1) / cpu::kBlockTokens);
  }
  blockTables.resize(runs.size() * stride);
  std::iota(blockTables.begin(), blockTables.end(), 0);
  for (size_t i = blockTables.size(); i > 1; --i)
    std::swap(blockTables[i - 1], blockTables[random.next() % i]);
}

cpu::StepView SampleStep::view() const {
  cpu::StepView view{};
  view.numTokens = ids.size();
  view.numSequences = logitRows.size();
  view.numLogitRows = logitRows.size();
  view.blockTableStride = stride;
  view.numAttentionTiles = tiles.size();
  view.tokenIds = ids.data();
  view.positions = positions.data();
  view.rowSequence = sequences.data();
  view.blockTables = blockTables.data();
  view.logitRows = logitRows.data();
  view.attentionTiles = tiles.data();
  return view;
}

} // namespace tenon::compiler
