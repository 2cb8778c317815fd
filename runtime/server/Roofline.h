//===- Roofline.h - The least time that steps can take ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_ROOFLINE_H
#define TENON_RUNTIME_SERVER_ROOFLINE_H

#include "runtime/engine/Plan.h"
#include "runtime/generate/Generator.h"

#include <vector>

namespace tenon::server {

/// What the machine can do a second, as measured; 0: unknown.
struct MachineRates {
  double weightBytes =
      0; ///< Reading weights and KV: memory, or the outer cache where it holds them.
  double activationBytes = 0; ///< Of the inner cache.
  double f32Macs = 0;
  double integerMacs = 0; ///< On the unit that the engine's variant uses.

  bool known() const { return weightBytes > 0; }
  /// What one of `replicas` that work at the same time has of it.
  MachineRates dividedBy(uint32_t replicas) const {
    return {weightBytes / replicas, activationBytes / replicas, f32Macs / replicas,
            integerMacs / replicas};
  }
};

/// The plan's cost of every launch of the first chip, for comparing steps with the machine. `tenon
/// bench` has the same account by kind of launch; there a sliding window shortens the context, here
/// it does not.
class Roofline {
public:
  Roofline(const engine::Plan &plan, const MachineRates &rates);

  /// Seconds that a step takes at least: of each launch the longest of weights and KV, activations,
  /// and multiply-accumulates, each at the machine's rate. 0 if the rates are unknown.
  double leastSeconds(const generate::StepTimes &step) const;

private:
  struct Launch {
    engine::CostForm cost;
    double times = 0; ///< In a step.
    bool integers = false;
  };
  const MachineRates rates;
  std::vector<Launch> launches;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_ROOFLINE_H
