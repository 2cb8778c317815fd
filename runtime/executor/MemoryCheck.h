//===- MemoryCheck.h - Whether a machine has what a plan needs --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_MEMORYCHECK_H
#define TENON_RUNTIME_EXECUTOR_MEMORYCHECK_H

#include "runtime/executor/MemoryPlan.h"

#include <cstdint>
#include <optional>

namespace tenon::executor {

/// ResourceExhausted if what the plan makes (all but the mapped weights, whose pages can be read
/// again) is more than `available` bytes, with the numbers and a remedy. Where nothing is known,
/// everything fits.
Status checkFits(const MemoryPlan &plan, std::optional<uint64_t> available);

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_MEMORYCHECK_H
