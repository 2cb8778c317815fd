//===- PlanReader.h - From the plan section to structures -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_PLANREADER_H
#define TENON_RUNTIME_ENGINE_PLANREADER_H

#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"

#include <cstddef>
#include <span>

namespace tenon::engine {

/// Verifies the FlatBuffer's structure and copies it out. `section` is 16-byte aligned (pages are).
/// The result's indices are as the file has them: checkPlan() comes next. Messages start with
/// "plan: ".
StatusOr<Plan> readPlan(std::span<const std::byte> section);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_PLANREADER_H
