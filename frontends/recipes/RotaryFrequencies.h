//===- RotaryFrequencies.h - Inverse frequencies of a model -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_RECIPES_ROTARYFREQUENCIES_H
#define TENON_FRONTENDS_RECIPES_ROTARYFREQUENCIES_H

#include "frontends/Checkpoint.h"

#include <vector>

namespace tenon::frontend {

/// What a rope table is made of: angle i of position p is p * inverse[i], and both cosine and sine
/// are multiplied by `scale`.
struct RotaryFrequencies {
  std::vector<float> inverse; // [rotary / 2]
  float scale = 1;
};

/// Frequencies of the global layers, or (`local`) of the layers with a sliding window, which rope
/// scaling leaves alone. Every step is rounded to f32, in the order in which `transformers`
/// computes it.
RotaryFrequencies rotaryFrequencies(const ModelConfig &config, bool local);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_RECIPES_ROTARYFREQUENCIES_H
