//===- MemoryCheck.cpp - Whether a machine has what a plan needs ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/MemoryCheck.h"

#include <fmt/core.h>

namespace tenon::executor {

Status checkFits(const MemoryPlan &plan, std::optional<uint64_t> available) {
  const uint64_t made = plan.total() - plan.storedWeights;
  if (!available || made <= *available)
    return Status::ok();
  const auto mb = [](uint64_t bytes) { return double(bytes) / 1e6; };
  return Status::resourceExhausted(fmt::format(
      "{:.1f} MB are needed (KV cache {:.1f}, activations {:.1f}, weights made at load {:.1f}, "
      "everything else {:.1f}) besides {:.1f} of mapped weights, and {:.1f} MB are available; try "
      "a smaller --kv-memory, --step-tokens or --max-sequences",
      mb(made), mb(plan.kv), mb(plan.arena), mb(plan.madeWeights),
      mb(made - plan.kv - plan.arena - plan.madeWeights), mb(plan.storedWeights), mb(*available)));
}

} // namespace tenon::executor
