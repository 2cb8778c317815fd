//===- PlanError.h - What a plan's checks say ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_PLANERROR_H
#define TENON_RUNTIME_ENGINE_PLANERROR_H

#include "runtime/base/Status.h"

#include <fmt/core.h>

#include <utility>

namespace tenon::engine {

/// DataLoss: "plan: " and what is wrong where.
template <typename... Args> Status bad(fmt::format_string<Args...> format, Args &&...args) {
  return Status::dataLoss("plan: " + fmt::format(format, std::forward<Args>(args)...));
}

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_PLANERROR_H
