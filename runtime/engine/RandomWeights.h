//===- RandomWeights.h - Weights that are made, not stored ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// For engines compiled with --random-weights: any geometry can be planned, timed and moved about
// without a checkpoint. The bytes depend on the weight's seed and position alone, never on threads.
//
#ifndef TENON_RUNTIME_ENGINE_RANDOMWEIGHTS_H
#define TENON_RUNTIME_ENGINE_RANDOMWEIGHTS_H

#include "runtime/engine/Plan.h"

#include <cstddef>

namespace tenon::engine {

/// Standard deviation that made matrices have, whatever their format.
inline constexpr float kRandomWeightDeviation = 0.02f;

/// Writes panels [firstPanel, endPanel) of a packed weight at `at` (the weight's first byte).
/// Quants are uniform, scales constant per panel such that values have mean about 0 and the
/// deviation above; channels that pad N are zero.
void makePanels(const WeightPlan &weight, uint64_t firstPanel, uint64_t endPanel, std::byte *at);

/// Writes a plain f32 weight. One-row weights (norms) lie around 1, others around 0.
void makePlain(const WeightPlan &weight, std::byte *at);

/// Writes every made weight of a chip into `region` (madeWeightBytes(chip) long, zeroed) with
/// `threads`. Chips that hold different parts of a tensor get different numbers.
void makeWeights(const Plan &plan, const ChipPlan &chip, std::byte *region, unsigned threads);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_RANDOMWEIGHTS_H
