//===- Scheduler.h - Which tokens go into the next step ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Continuous batching with chunked prefill: a step takes every sequence that only needs its next
// token, then prompt chunks up to a token budget, by priority and then first come first served. A
// pure state machine: no threads, no I/O, no clock; the caller computes the step and appends the
// tokens it drew, and says how many rows a step has time for.
//
#ifndef TENON_RUNTIME_SCHEDULE_SCHEDULER_H
#define TENON_RUNTIME_SCHEDULE_SCHEDULER_H

#include "runtime/base/Status.h"
#include "runtime/kv/PrefixTree.h"
#include "runtime/schedule/Sequence.h"

#include <memory>
#include <vector>

namespace tenon::schedule {

struct SchedulerLimits {
  uint32_t stepTokens = 0; ///< Most rows of a step.
  uint32_t logitRows = 0;  ///< Most rows with logits of a step.
  uint32_t sequences = 0;  ///< Most sequences of a step.
  uint32_t context = 0;    ///< Most positions of a sequence.
  uint32_t blockTokens = 16;
  uint32_t blocks = 0;     ///< Of the KV pool.
  bool prefixTree = false; ///< Keep finished beginnings and start equal ones from them.
  kv::PrefixDirectory *directory =
      nullptr; ///< Is told what the prefix tree holds; null: nobody is.
};

/// A sequence's part of a step.
struct ScheduledRows {
  Sequence *sequence = nullptr;
  uint32_t first = 0; ///< Index of the first token, and its position.
  uint32_t count = 0;
  uint32_t logitRows = 0; ///< Of the last rows.
  uint32_t logitBase = 0; ///< Row of the step's logits where they begin.
};

/// What steps under way leave to the next, and how long others are to wait for it.
struct StepRoom {
  uint32_t logitRows = UINT32_MAX;
  uint32_t decodes = UINT32_MAX; ///< Sequences that only need their next token.
  /// Rows of a step for which more than one sequence waits. Prompts have kPromptRowsAtLeast of
  /// them, whatever decodes beside them, and a quarter more where that ends one.
  uint32_t rows = UINT32_MAX;
};

/// Fewer prompt rows in a step would leave prompts too small a share of the time: decodes take
/// about a row each in every step, and the weights as much as four, whatever the model.
inline constexpr uint32_t kPromptRowsAtLeast = 128;

class Scheduler {
public:
  explicit Scheduler(const SchedulerLimits &limits);

  /// Queues a request. InvalidArgument if it can never run within the limits, saying which.
  StatusOr<Sequence *> add(const SequenceRequest &request);

  /// Plans the next step into `rows` (cleared first; keeps its capacity), of sequences without rows
  /// under way and within `room`. Empty: nothing is left to do, or what is under way must end
  /// first. May preempt those that come last: they give their blocks back and are computed again
  /// later.
  void planStep(std::vector<ScheduledRows> &rows, StepRoom room = {});

  /// Tells that the planned rows are being computed, where further steps are planned before they
  /// are: their sequences are left out of those, and must not be ended before stepDone() or
  /// stepLost().
  void stepBegun(std::span<const ScheduledRows> rows);

  /// Tells that the planned rows were computed, ...
  void stepDone(std::span<const ScheduledRows> rows);
  /// ... or that they never will be: the step may be planned again.
  void stepLost(std::span<const ScheduledRows> rows);

  /// Adds a drawn token; the sequence must have no pending tokens. Past its limits, or if `last`,
  /// the sequence finishes and gives its blocks back. Returns whether it finished.
  bool append(Sequence &sequence, int32_t token, bool last);

  /// Ends a sequence in whatever state (cancelled, or scored).
  void finish(Sequence &sequence);

  /// Frees a finished sequence; the pointer is dead.
  void remove(Sequence &sequence);

  bool hasWork() const { return !waiting.empty() || !running.empty(); }
  uint32_t waitingCount() const { return static_cast<uint32_t>(waiting.size()); }
  uint32_t runningCount() const { return static_cast<uint32_t>(running.size()); }
  uint64_t preemptions() const { return preempted; }
  uint64_t cachedTokens() const { return fromTree; } ///< Prompt tokens taken from the prefix tree.
  uint64_t lookedUpTokens() const { return lookedUp; } ///< Prompt tokens looked up in it.
  uint32_t cachedBlocks() const { return tree ? tree->size() : 0; }
  /// Blocks that only the prefix tree holds.
  uint32_t evictableBlocks() const { return tree ? tree->evictable() : 0; }
  uint64_t waitingTokens() const; ///< Tokens that waiting sequences must have computed.
  const kv::BlockPool &pool() const { return blockPool; }

  /// Token places in the blocks of sequences that run, and how many of them hold a token's K and V.
  /// The rest is waste: the empty end of each last block. Blocks that only the prefix tree holds do
  /// not count.
  struct Slots {
    uint64_t held = 0, filled = 0;
  };
  Slots slots() const;

  /// Audits the pool against the sequences' tables.
  Status checkIntegrity() const;

private:
  bool schedule(Sequence &sequence, uint32_t most, std::vector<ScheduledRows> &rows);
  bool schedulePrompt(Sequence &sequence, std::vector<ScheduledRows> &rows);
  bool makeRoom(Sequence &sequence, uint64_t tokens, const std::vector<ScheduledRows> &rows);
  void preempt(Sequence &sequence);
  void startFromTree(Sequence &sequence);
  void keepInTree(const Sequence &sequence);
  uint32_t obtainableBlocks() const {
    return blockPool.freeBlocks() + (tree ? tree->evictable() : 0);
  }

  const SchedulerLimits limits;
  kv::BlockPool blockPool;
  std::optional<kv::PrefixTree> tree;
  std::vector<kv::BlockId> matched;
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<Sequence *> running; ///< In the order of Sequence::precedes.
  std::vector<Sequence *> waiting; ///< In the same order.
  uint64_t arrivals = 0;
  uint64_t preempted = 0;
  uint64_t fromTree = 0, lookedUp = 0;
  uint32_t stepTokensLeft = 0, stepLogits = 0, stepLogitsLeft = 0;
  uint32_t stepPromptsLeft = 0; ///< Prompt rows that the step has time for, ...
  uint32_t stepSlack = 0;       ///< ... and that it may have more to end a prompt.
};

} // namespace tenon::schedule

#endif // TENON_RUNTIME_SCHEDULE_SCHEDULER_H
