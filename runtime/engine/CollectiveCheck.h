//===- CollectiveCheck.h - Do the chips of a plan meet? ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_COLLECTIVECHECK_H
#define TENON_RUNTIME_ENGINE_COLLECTIVECHECK_H

#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"

namespace tenon::engine {

/// Checks what no chip's program says alone: that chips enter the same collectives in the same
/// order, so that none waits for ever, and that their buffers hold the rows. The rest of the plan
/// has been checked. DataLoss names the chip and the collective.
Status checkCollectives(const Plan &plan);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_COLLECTIVECHECK_H
