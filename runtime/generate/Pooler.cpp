//===- Pooler.cpp - One vector for a text ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Pooler.h"

#include <algorithm>
#include <cmath>

namespace tenon::generate {

Pooler::Pooler(Pooling kind, uint32_t promptTokens, uint32_t width)
    : kind(kind), promptTokens(promptTokens), sum(kind == Pooling::Mean ? width : 0), state(width) {
}

void Pooler::add(const executor::HiddenState &states, uint32_t row, uint32_t position,
                 uint32_t count) {
  const uint32_t end = std::min(position + count, promptTokens);
  if (kind == Pooling::Last) {
    if (end == promptTokens && position < end)
      states.read(row + end - 1 - position, state);
    return;
  }
  for (uint32_t at = std::max(taken, position); at < end; ++at) {
    states.read(row + at - position, state);
    for (size_t i = 0; i < state.size(); ++i)
      sum[i] += state[i];
    taken = at + 1;
  }
}

std::span<const float> Pooler::finish() {
  if (kind == Pooling::Mean)
    for (size_t i = 0; i < state.size(); ++i)
      state[i] = static_cast<float>(sum[i] / promptTokens);
  return state;
}

std::vector<float> toEmbedding(std::span<const float> vector, uint32_t dimensions, bool normalise) {
  if (dimensions && dimensions < vector.size())
    vector = vector.first(dimensions);
  std::vector<float> out(vector.begin(), vector.end());
  double squares = 0;
  for (const float x : out)
    squares += double(x) * x;
  if (normalise && squares > 0)
    for (float &x : out)
      x = static_cast<float>(x / std::sqrt(squares));
  return out;
}

} // namespace tenon::generate
