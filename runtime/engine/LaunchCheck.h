//===- LaunchCheck.h - Does every launch get what it takes? -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_LAUNCHCHECK_H
#define TENON_RUNTIME_ENGINE_LAUNCHCHECK_H

#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"

namespace tenon::engine {

/// Checks the functions and calls of a plan: the arguments of every launch against its kernel's
/// kind, each collective's own fields, and the weights and KV layers that calls give to functions.
/// Chips, weights and kernels have been checked. DataLoss names the function or the call.
Status checkLaunches(const Plan &plan);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_LAUNCHCHECK_H
