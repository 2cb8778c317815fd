//===- Roofline.cpp - The least time that steps can take ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Roofline.h"

#include <algorithm>
#include <map>
#include <string>

namespace tenon::server {

Roofline::Roofline(const engine::Plan &plan, const MachineRates &rates) : rates(rates) {
  std::map<std::pair<uint32_t, uint32_t>, size_t> known; // (function, launch) -> launches
  for (const engine::CallPlan &call : plan.calls) {
    if (call.program != plan.chips.front().program)
      continue;
    const engine::FunctionPlan &function = plan.functions[call.function];
    for (uint32_t l = 0; l < function.launches.size(); ++l) {
      const auto [at, fresh] = known.try_emplace({call.function, l}, launches.size());
      if (fresh) {
        const engine::LaunchPlan &launch = function.launches[l];
        // Block formats meet quantised rows as integers; everything else is f32.
        const bool integers = !launch.collective && plan.kernels[launch.kernel].spec.find(
                                                        "quant_in") != std::string::npos;
        launches.push_back({launch.cost, 0, integers});
      }
      launches[at->second].times += 1;
    }
  }
}

double Roofline::leastSeconds(const generate::StepTimes &step) const {
  if (!rates.known())
    return 0;
  const auto over = [](double work, double rate) { return rate > 0 ? work / rate : 0; };
  double sum = 0;
  for (const Launch &l : launches) {
    // K and V are read once for each sequence and launch, whatever rows look at them.
    const double kv = double(l.cost.bytesPerContext) * double(step.positions);
    const double activations =
        double(l.cost.bytesPerToken) * step.rows + double(l.cost.bytesPerLogitRow) * step.logitRows;
    sum += l.times * std::max({over(double(l.cost.weightBytes) + kv, rates.weightBytes),
                               over(activations, rates.activationBytes),
                               over(l.cost.macs(step.rows, step.logitRows, step.context),
                                    l.integers ? rates.integerMacs : rates.f32Macs)});
  }
  return sum;
}

} // namespace tenon::server
