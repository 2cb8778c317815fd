//===- SharedMemory.h - What chips of one process share ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A plan lets every chip be a process of its own: each stores the KV heads that it reads, and
// logits are gathered. Where one process runs all chips of a stage, it stores a KV head once
// however many chips read it, and chips write their logits where the step's are. Nothing of it
// changes a bit of a result.
//
#ifndef TENON_RUNTIME_EXECUTOR_SHAREDMEMORY_H
#define TENON_RUNTIME_EXECUTOR_SHAREDMEMORY_H

#include "runtime/executor/MemoryPlan.h"

#include <cstdint>

namespace tenon::executor {

/// The KV pool that a chip works in.
struct PoolShare {
  uint32_t owner = 0;     ///< Chip that has the memory: the first that works in the pool.
  uint32_t heads = 0;     ///< KV heads of a block: those that any of its chips reads.
  uint32_t firstHead = 0; ///< Of the pool's, the chip's first.
  /// Several chips work in it. A head's K is then written by the first of its chips and its V by
  /// the last, so that `skippedKeys` of the chip's first heads and `skippedValues` of its last are
  /// another's. Who reads meets who writes at a barrier of the stage, between the launches that
  /// write and those that read.
  bool shared = false;
  uint32_t skippedKeys = 0, skippedValues = 0;
};

/// Which pool chip `chip` of the process works in. Chips share one if the process has all chips of
/// their stage, their heads overlap, and they write and read the same layers at the same places
/// between collectives.
PoolShare poolOf(const engine::Plan &plan, const Capacity &capacity, uint32_t chip);

/// Whether any chips of the stage of `chip` share a pool: all chips of the stage then meet before
/// attention.
bool stageSharesPools(const engine::Plan &plan, const Capacity &capacity, uint32_t chip);

/// The launch of a chip's step whose result its gather of logits gives, and the part of the
/// vocabulary that it is.
struct LogitsPart {
  const engine::LaunchPlan *launch = nullptr, *gather = nullptr;
  uint64_t firstColumn = 0;
};
/// Where chip `chip` of the process may write its logits straight to those of the step, instead of
/// giving them to a gather; nothing if it may not. So it is for all chips of the last stage or for
/// none.
std::optional<LogitsPart> logitsInPlace(const engine::Plan &plan, const Capacity &capacity,
                                        uint32_t chip);

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_SHAREDMEMORY_H
