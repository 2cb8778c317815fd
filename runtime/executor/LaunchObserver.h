//===- LaunchObserver.h - Sees what launches read ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_LAUNCHOBSERVER_H
#define TENON_RUNTIME_EXECUTOR_LAUNCHOBSERVER_H

#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/engine/Plan.h"

namespace tenon::executor {

/// Looks at the operands of launches while steps run, for whoever wants to know what enters a
/// matrix product.
class LaunchObserver {
public:
  virtual ~LaunchObserver() = default;
  /// Called by worker 0 of a chip when everything that `launch` of `call` reads is there. May read
  /// what the launch only reads; the other workers have begun to compute it. `arguments` are in the
  /// order of `launch.args`.
  virtual void beforeLaunch(const engine::CallPlan &call, const engine::LaunchPlan &launch,
                            void *const *arguments, const cpu::StepView &step) = 0;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_LAUNCHOBSERVER_H
