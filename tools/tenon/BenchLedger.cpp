//===- BenchLedger.cpp - What launches take and cannot take less ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchLedger.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>

namespace tenon::tool {

namespace {

/// What the variant's kernels of this kind multiply with: block formats meet quantised rows as
/// integers; everything else, attention included, is f32.
cpu::MacUnit unitOf(const engine::KernelPlan &kernel, engine::Variant variant) {
  const bool integers = kernel.spec.find("quant_in") != std::string::npos;
  const bool tiles = variant == engine::Variant::Amx;
  return !integers ? cpu::MacUnit::F32 : tiles ? cpu::MacUnit::AmxInt8 : cpu::MacUnit::Int8;
}

} // namespace

uint64_t windowOf(const engine::KernelPlan &kernel) {
  const size_t at = kernel.spec.find("window = ");
  return at == std::string::npos ? 0 : std::strtoull(kernel.spec.c_str() + at + 9, nullptr, 10);
}

StepContext contextOf(const cpu::StepView &step, uint64_t window) {
  StepContext context;
  const auto first = [&](uint64_t position) {
    return window && position + 1 > window ? position + 1 - window : 0;
  };
  for (uint32_t i = 0; i < step.numTokens; ++i) {
    const auto position = static_cast<uint64_t>(step.positions[i]);
    context.rowPositions += position + 1 - first(position);
    // Rows of a sequence are consecutive, and so are their positions.
    const bool begins = i == 0 || step.rowSequence[i] != step.rowSequence[i - 1];
    context.positions += begins ? position + 1 - first(position) : 1;
  }
  return context;
}

Ledger::Ledger(const engine::Plan &plan, engine::Variant variant, uint32_t replicas)
    : sharers(replicas) {
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> known; // (function, launch) -> launches
  for (const engine::CallPlan &call : plan.calls) {
    if (call.program != plan.chips.front().program)
      continue; // The ledger is of the first chip.
    const engine::FunctionPlan &function = plan.functions[call.function];
    for (uint32_t l = 0; l < function.launches.size(); ++l) {
      const engine::LaunchPlan &launch = function.launches[l];
      // A collective has no kernel; adding up rows is f32 work.
      static const engine::KernelPlan none;
      const engine::KernelPlan &kernel = launch.collective ? none : plan.kernels[launch.kernel];
      const std::string kindName = plan.kindOf(launch);
      const auto [at, fresh] = known.try_emplace({call.function, l}, launches.size());
      if (fresh) {
        auto kind = std::find_if(sums.begin(), sums.end(), [&](const LaunchKind &k) {
          return k.kind == kindName && k.name == launch.name;
        });
        if (kind == sums.end()) {
          sums.push_back({kindName, launch.name, unitOf(kernel, variant)});
          kind = sums.end() - 1;
        }
        launches.push_back(
            {launch.cost, static_cast<uint32_t>(kind - sums.begin()), 0, windowOf(kernel)});
      }
      Launch &mine = launches[at->second];
      ++mine.times;
      ++sums[mine.kind].launches;
      kindOfTiming.push_back(mine.kind);
    }
  }
  nanos.resize(kindOfTiming.size());
}

void Ledger::add(std::span<const executor::MicroBatch> step,
                 std::span<const executor::LaunchTiming> timings, bool more) {
  count += more ? 0 : 1;
  for (const executor::MicroBatch &micro : step)
    addWork(micro.view);
  for (size_t i = 0; i < timings.size() && i < kindOfTiming.size(); ++i) {
    sums[kindOfTiming[i]].seconds += double(timings[i].nanos) * 1e-9;
    if (timings[i].nanos)
      nanos[i].push_back(timings[i].nanos);
  }
}

void Ledger::addWork(const cpu::StepView &step) {
  std::map<uint64_t, StepContext> contexts; // by window: one or two
  for (const Launch &launch : launches) {
    auto at = contexts.find(launch.window);
    if (at == contexts.end())
      at = contexts.emplace(launch.window, contextOf(step, launch.window)).first;
    LaunchKind &kind = sums[launch.kind];
    const engine::CostForm &cost = launch.cost;
    const double times = launch.times;
    kind.bytes += times * cost.bytes(step.numTokens, step.numLogitRows, at->second.positions);
    kind.memoryBytes += times * (double(cost.weightBytes) +
                                 double(cost.bytesPerContext) * double(at->second.positions));
    kind.macs += times * cost.macs(step.numTokens, step.numLogitRows, at->second.rowPositions);
  }
}

double Ledger::typicalSeconds(const LaunchKind &kind) const {
  const auto wanted = static_cast<uint32_t>(&kind - sums.data());
  double sum = 0;
  for (size_t i = 0; i < nanos.size(); ++i) {
    if (kindOfTiming[i] != wanted || nanos[i].empty())
      continue;
    std::vector<uint64_t> times = nanos[i];
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    sum += double(*middle) * 1e-9;
  }
  return sum;
}

double Ledger::seconds() const {
  double sum = 0;
  for (const LaunchKind &k : sums)
    sum += k.seconds;
  return sum;
}

double Ledger::memoryBytes() const {
  double sum = 0;
  for (const LaunchKind &k : sums)
    sum += k.memoryBytes;
  return sum;
}

double Ledger::leastSeconds(const LaunchKind &kind, const ChipLimits &chip) const {
  const auto over = [](double work, double rate) { return rate > 0 ? work / rate : 0; };
  const double stepBytes = count ? memoryBytes() / double(count) : 0;
  const double cache =
      std::max({chip.l2.together.median, chip.l3.together.median, chip.dram.together.median});
  return sharers * std::max({over(kind.memoryBytes, chip.bytesPerSecond(stepBytes)),
                             over(kind.bytes - kind.memoryBytes, cache),
                             over(kind.macs, chip.unit(kind.unit).together.median)});
}

double Ledger::leastSeconds(const ChipLimits &chip) const {
  double sum = 0;
  for (const LaunchKind &k : sums)
    sum += leastSeconds(k, chip);
  return sum;
}

} // namespace tenon::tool
