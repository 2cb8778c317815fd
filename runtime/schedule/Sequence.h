//===- Sequence.h - One request on its way ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SCHEDULE_SEQUENCE_H
#define TENON_RUNTIME_SCHEDULE_SEQUENCE_H

#include "runtime/kv/BlockTable.h"

#include <cstdint>
#include <span>
#include <vector>

namespace tenon::schedule {

using SequenceId = uint64_t;

enum class SequenceState : uint8_t {
  Waiting, ///< Holds no blocks; starts, or starts over, when there is room.
  Running, ///< Holds blocks for what is computed.
  Finished,
};

/// What a request asks of the scheduler.
struct SequenceRequest {
  SequenceId id = 0;
  std::span<const int32_t> prompt; ///< Not empty; copied.
  uint32_t maxNewTokens = 0;
  bool allLogits = false; ///< Logits for every prompt token, not only the last (scoring).
  bool noLogits = false;  ///< None at all (pooling); then `maxNewTokens` is 0.
  bool everyRow = false;  ///< Every prompt token is computed, none taken from the prefix tree.
  int32_t priority = 0;   ///< Lower runs earlier; equal ones first come, first served.
};

/// A sequence as the scheduler keeps it: its tokens, how many of them are in the KV cache, and
/// where.
class Sequence {
public:
  Sequence(const SequenceRequest &request, uint64_t arrival, kv::BlockPool &pool,
           uint32_t blockTokens)
      : id(request.id), arrival(arrival),
        promptTokens(static_cast<uint32_t>(request.prompt.size())),
        maxNewTokens(request.maxNewTokens), allLogits(request.allLogits),
        noLogits(request.noLogits), everyRow(request.everyRow || request.allLogits),
        priority(request.priority),
        table(pool, blockTokens,
              static_cast<uint32_t>(
                  (request.prompt.size() + request.maxNewTokens + blockTokens - 1) / blockTokens)) {
    tokens.reserve(request.prompt.size() + request.maxNewTokens);
    tokens.assign(request.prompt.begin(), request.prompt.end());
  }

  const SequenceId id;
  const uint64_t arrival; ///< First come, first served.
  const uint32_t promptTokens;
  const uint32_t maxNewTokens;
  const bool allLogits, noLogits, everyRow;
  const int32_t priority;

  SequenceState state = SequenceState::Waiting;
  std::vector<int32_t> tokens; ///< Prompt, then generated.
  uint32_t computed = 0;       ///< Tokens whose K and V are in the cache.
  uint32_t cached = 0;         ///< Prompt tokens that its first start took from the prefix tree.
  uint32_t starts = 0;         ///< 1, and one more after each preemption.
  uint32_t preemptions = 0;
  bool inFlight = false; ///< A step that is under way has rows of it: it stays as it is.
  kv::BlockTable table;

  /// Who goes first when not all can: by priority, then by arrival. A strict total order.
  bool precedes(const Sequence &other) const {
    return priority != other.priority ? priority < other.priority : arrival < other.arrival;
  }
  uint32_t pending() const { return static_cast<uint32_t>(tokens.size()) - computed; }
  uint32_t generated() const { return static_cast<uint32_t>(tokens.size()) - promptTokens; }
  std::span<const int32_t> generatedTokens() const {
    return std::span<const int32_t>(tokens).subspan(promptTokens);
  }
};

} // namespace tenon::schedule

#endif // TENON_RUNTIME_SCHEDULE_SEQUENCE_H
