//===- HiddenState.cpp - What the model thinks of a token -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/HiddenState.h"

#include <cmath>
#include <cstddef>

namespace tenon::executor {

void HiddenState::read(uint32_t row, std::span<float> out) const {
  const float *x = rows + size_t(row) * width;
  double squares = 0;
  for (uint32_t i = 0; i < width; ++i)
    squares += double(x[i]) * x[i];
  const double scale = 1 / std::sqrt(squares / width + eps);
  for (uint32_t i = 0; i < width; ++i)
    out[i] = static_cast<float>(x[i] * scale * norm[i]);
}

} // namespace tenon::executor
