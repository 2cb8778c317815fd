//===- PlanCheck.h - Does a plan hold together? -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_PLANCHECK_H
#define TENON_RUNTIME_ENGINE_PLANCHECK_H

#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"

#include <cstdint>
#include <span>

namespace tenon::engine {

/// Checks what the executor relies on: every index; the arguments of every launch against its
/// kernel's kind; every weight inside its section and as large as its format says; every buffer
/// inside the arena for all limits the plan allows; the KV geometry; the logits.
/// `weightsSectionBytes[i]` is the size of chip i's weights section (0: none). Messages start with
/// "plan: " and name what is wrong where.
Status checkPlan(const Plan &plan, std::span<const uint64_t> weightsSectionBytes);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_PLANCHECK_H
