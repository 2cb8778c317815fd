//===- KernelRates.cpp - What an engine's kernels reach here --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/KernelRates.h"

#include "tools/tenon/BenchMeasure.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

namespace {

bool isProduct(const LaunchKind &k) { return k.kind.starts_with("linear"); }
bool isInteger(const LaunchKind &k) { return isProduct(k) && k.unit != cpu::MacUnit::F32; }
bool isAttention(const LaunchKind &k) { return k.kind == "attention"; }
/// Small enough that little but its fixed cost is left of it in a step of one row.
bool isLight(const LaunchKind &k) { return k.kind.starts_with("norm"); }

/// Launches of some kinds in one step.
struct Work {
  double seconds = 0, launches = 0, bytes = 0, memoryBytes = 0, macs = 0;

  /// Without the fixed costs, which cannot be more than half.
  double secondsBeyond(double launch) const {
    return std::max(seconds - launches * launch, 0.5 * seconds);
  }
};

Work workOf(const Ledger &ledger, bool (*wanted)(const LaunchKind &)) {
  Work work;
  const double steps = std::max<double>(1, double(ledger.steps()));
  for (const LaunchKind &k : ledger.kinds())
    if (wanted(k)) {
      work.seconds += ledger.typicalSeconds(k);
      work.launches += k.launches;
      work.bytes += k.bytes / steps;
      work.memoryBytes += k.memoryBytes / steps;
      work.macs += k.macs / steps;
    }
  return work;
}

} // namespace

StatusOr<KernelRates> measureKernels(const std::string &engine, uint32_t threads,
                                     const KernelRates &bounds) {
  BenchOptions o;
  o.run.engine = engine;
  o.run.threads = threads;
  o.newTokens = 32;
  o.watchOnly = true;
  o.limits = false;
  auto session = Session::open(o.run);
  if (!session)
    return session.status();
  const engine::Plan &plan = (*session)->plan();
  if (plan.chips.size() != 1)
    return Status::invalidArgument(
        fmt::format("--engine {}: it is for {} chips; give one compiled for one chip", engine,
                    plan.chips.size()));
  o.promptTokens = {512};
  o.watchedFills = 9; // Spread over seconds: the memory of a shared machine is not always as fast.
  auto one = measureGrid(**session, o);
  if (!one)
    return one.status();
  o.sequences = {4};
  o.watchedFills = 2;
  auto deep = measureGrid(**session, o);
  if (!deep)
    return deep.status();
  // Products of few rows, with hardly a past.
  o.promptTokens = {16};
  o.sequences = {4, 16, 64};
  auto shallow = measureGrid(**session, o);
  if (!shallow)
    return shallow.status();

  const Ledger &decode = one->rows.front().decode->decodeWork;
  const Ledger &prompt = one->rows.front().prefill->prefillWork;
  KernelRates rates = bounds;
  if (const Work light = workOf(decode, isLight); light.launches > 0)
    rates.launch = light.seconds / light.launches;
  const Work stream = workOf(decode, isProduct);
  rates.read = stream.bytes / stream.secondsBeyond(rates.launch);
  const Work reading = workOf(deep->rows.front().decode->decodeWork, isAttention);
  rates.context = reading.memoryBytes / reading.secondsBeyond(rates.launch);
  const Work attending = workOf(prompt, isAttention);
  rates.f32 = attending.macs / attending.secondsBeyond(rates.launch);

  // Rows of 15 bits are two planes, so a product counts twice (docs/chips.md).
  const bool onePlane =
      std::any_of(plan.kernels.begin(), plan.kernels.end(), [](const engine::KernelPlan &kernel) {
        return kernel.spec.find("row_bits = 8") != std::string::npos;
      });
  const auto int8Of = [&](const Ledger &ledger) {
    const Work products = workOf(ledger, isInteger);
    return products.macs == 0
               ? 0
               : (onePlane ? 1 : 2) * products.macs / products.secondsBeyond(rates.launch);
  };
  const double int8 = int8Of(prompt);
  if (int8 == 0)
    return rates;
  rates.int8 = int8;
  rates.bf16 = bounds.bf16 * std::min(1.0, rates.int8 / bounds.int8);
  for (const Row &row : shallow->rows)
    rates.int8ByRows.emplace_back(row.decode->sequences, int8Of(row.decode->decodeWork));
  rates.int8ByRows.emplace_back(512, int8);
  return rates;
}

} // namespace tenon::tool
