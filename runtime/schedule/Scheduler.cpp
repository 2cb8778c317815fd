//===- Scheduler.cpp - Which tokens go into the next step -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/schedule/Scheduler.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>

namespace tenon::schedule {

Scheduler::Scheduler(const SchedulerLimits &l) : limits(l), blockPool(l.blocks) {
  running.reserve(limits.sequences);
  if (limits.prefixTree)
    tree.emplace(blockPool, limits.blockTokens, limits.directory);
}

static void insertInOrder(std::vector<Sequence *> &list, Sequence &sequence) {
  list.insert(std::find_if(list.begin(), list.end(),
                           [&](const Sequence *s) { return sequence.precedes(*s); }),
              &sequence);
}

StatusOr<Sequence *> Scheduler::add(const SequenceRequest &request) {
  const uint64_t positions = uint64_t(request.prompt.size()) + request.maxNewTokens;
  if (request.prompt.empty())
    return Status::invalidArgument("the prompt has no tokens");
  if (request.prompt.size() > limits.context)
    return Status::invalidArgument(
        fmt::format("the prompt has {} tokens and a sequence may have {} "
                    "positions; shorten it or raise --max-context",
                    request.prompt.size(), limits.context));
  // The last token drawn is never computed.
  const uint64_t most = std::min<uint64_t>(positions, limits.context);
  const uint64_t blocks = (most + limits.blockTokens - 1) / limits.blockTokens;
  if (blocks > limits.blocks)
    return Status::invalidArgument(fmt::format(
        "{} prompt and {} new tokens need {} KV blocks and the pool has {}; shorten the "
        "request or raise --kv-memory",
        request.prompt.size(), request.maxNewTokens, blocks, limits.blocks));
  SequenceRequest bounded = request;
  bounded.maxNewTokens = static_cast<uint32_t>(
      std::min<uint64_t>(request.maxNewTokens, limits.context - request.prompt.size() + 1));
  sequences.push_back(
      std::make_unique<Sequence>(bounded, arrivals++, blockPool, limits.blockTokens));
  insertInOrder(waiting, *sequences.back());
  return sequences.back().get();
}

void Scheduler::preempt(Sequence &sequence) {
  sequence.table.clear();
  sequence.computed = 0;
  sequence.state = SequenceState::Waiting;
  ++sequence.preemptions;
  ++preempted;
  std::erase(running, &sequence);
  insertInOrder(waiting, sequence);
}

bool Scheduler::makeRoom(Sequence &sequence, uint64_t tokens,
                         const std::vector<ScheduledRows> &rows) {
  while (!sequence.table.growTo(tokens)) {
    const uint64_t wanted = (tokens + limits.blockTokens - 1) / limits.blockTokens -
                            sequence.table.blocks().size() - blockPool.freeBlocks();
    if (tree && tree->evict(static_cast<uint32_t>(wanted)) > 0)
      continue;
    // The last in order gives way, unless it precedes this one or is already part of this step.
    Sequence *victim = nullptr;
    for (Sequence *s : running)
      if (!s->inFlight && sequence.precedes(*s) && (!victim || victim->precedes(*s)) &&
          std::none_of(rows.begin(), rows.end(),
                       [&](const ScheduledRows &r) { return r.sequence == s; }))
        victim = s;
    if (!victim)
      return false;
    preempt(*victim);
  }
  return true;
}

void Scheduler::startFromTree(Sequence &sequence) {
  if (!tree || sequence.computed != 0 || sequence.everyRow)
    return;
  // At least one token stays to be computed: its logits, or its hidden state, are wanted.
  tree->match(std::span<const int32_t>(sequence.tokens).first(sequence.tokens.size() - 1), matched);
  sequence.table.appendShared(matched);
  sequence.computed = static_cast<uint32_t>(matched.size()) * limits.blockTokens;
}

void Scheduler::keepInTree(const Sequence &sequence) {
  const size_t whole = sequence.computed / limits.blockTokens;
  if (tree && whole > 0)
    tree->insert(sequence.tokens, sequence.table.blocks().first(whole));
}

bool Scheduler::schedule(Sequence &sequence, uint32_t most, std::vector<ScheduledRows> &rows) {
  uint32_t count = std::min({sequence.pending(), most, stepTokensLeft});
  // Logits of a prompt's tokens are wanted only the first time.
  const bool scoring = sequence.allLogits && sequence.generated() == 0;
  if (scoring)
    count = std::min(count, stepLogitsLeft);
  else if (count == sequence.pending() && stepLogitsLeft == 0 && !sequence.noLogits)
    count = count > 1 ? count - 1 : 0;
  if (count == 0)
    return false;
  if (!makeRoom(sequence, uint64_t(sequence.computed) + count, rows)) {
    // Take what the blocks at hand allow: a part of a prompt is progress too.
    const uint64_t fits =
        (sequence.table.blocks().size() + blockPool.freeBlocks()) * uint64_t(limits.blockTokens);
    if (fits <= sequence.computed)
      return false;
    count = static_cast<uint32_t>(std::min<uint64_t>(count, fits - sequence.computed));
    if (!sequence.table.growTo(uint64_t(sequence.computed) + count))
      return false;
  }
  const bool reachesEnd = count == sequence.pending();
  const uint32_t logits = scoring ? count : reachesEnd && !sequence.noLogits ? 1 : 0;
  rows.push_back({&sequence, sequence.computed, count, logits, stepLogits - stepLogitsLeft});
  stepTokensLeft -= count;
  stepLogitsLeft -= logits;
  return true;
}

/// A chunk of a prompt that the step has time for.
bool Scheduler::schedulePrompt(Sequence &sequence, std::vector<ScheduledRows> &rows) {
  const uint32_t pending = sequence.pending();
  uint32_t most = stepPromptsLeft;
  if (pending > most && pending - most <= stepSlack)
    most = pending; // Its first token need not wait for a few rows in another step.
  else if (pending > most && most < stepSlack)
    return false; // Those who are done need not wait for the beginning of a chunk.
  if (!schedule(sequence, most, rows))
    return false;
  stepPromptsLeft -= std::min(stepPromptsLeft, rows.back().count);
  return true;
}

void Scheduler::planStep(std::vector<ScheduledRows> &rows, StepRoom room) {
  rows.clear();
  stepTokensLeft = limits.stepTokens;
  stepLogits = stepLogitsLeft = std::min(limits.logitRows, room.logitRows);
  // Decodes first: `running` shrinks from behind when somebody is preempted.
  for (size_t i = 0; i < running.size() && rows.size() < std::min(limits.sequences, room.decodes);
       ++i) {
    Sequence &s = *running[i];
    if (s.pending() != 1 || s.inFlight)
      continue;
    if (!schedule(s, 1, rows) && stepTokensLeft > 0 && stepLogitsLeft > 0) {
      // Even the last in order finds no block: it gives way itself, so that the others go on.
      if (running.size() > 1) {
        preempt(s);
        --i;
      }
    }
  }
  stepPromptsLeft = limits.stepTokens;
  stepSlack = 0;
  if (room.rows < limits.stepTokens && running.size() + waiting.size() > 1) {
    const auto decodes = static_cast<uint32_t>(rows.size());
    stepPromptsLeft = std::max(room.rows - std::min(room.rows, decodes), kPromptRowsAtLeast);
    stepSlack = stepPromptsLeft / 4;
  }
  for (size_t i = 0; i < running.size() && rows.size() < limits.sequences && stepTokensLeft > 0 &&
                     stepPromptsLeft > 0;
       ++i)
    if (running[i]->pending() > 1 && !running[i]->inFlight)
      schedulePrompt(*running[i], rows);
  while (!waiting.empty() && running.size() < limits.sequences && rows.size() < limits.sequences &&
         stepTokensLeft > 0 && stepPromptsLeft > 0) {
    Sequence &s = *waiting.front();
    // Joining must not push anybody out: only free blocks count, and the whole prompt must fit
    // beside those that run, lest two half-computed prompts starve each other.
    const uint64_t needed = (s.tokens.size() + limits.blockTokens - 1) / limits.blockTokens;
    startFromTree(s);
    const uint32_t cached = s.computed;
    if ((needed - s.table.blocks().size() > obtainableBlocks() && !running.empty()) ||
        !schedulePrompt(s, rows)) {
      s.table.clear();
      s.computed = 0;
      break;
    }
    if (tree && !s.everyRow) {
      lookedUp += s.tokens.size();
      fromTree += cached;
    }
    if (s.starts++ == 0)
      s.cached = cached;
    waiting.erase(waiting.begin());
    s.state = SequenceState::Running;
    insertInOrder(running, s);
  }
}

void Scheduler::stepBegun(std::span<const ScheduledRows> rows) {
  for (const ScheduledRows &r : rows)
    r.sequence->inFlight = true;
}

void Scheduler::stepLost(std::span<const ScheduledRows> rows) {
  for (const ScheduledRows &r : rows)
    r.sequence->inFlight = false;
}

void Scheduler::stepDone(std::span<const ScheduledRows> rows) {
  for (const ScheduledRows &r : rows) {
    Sequence &s = *r.sequence;
    s.inFlight = false;
    s.computed = r.first + r.count;
    if (r.first < s.promptTokens && s.computed >= s.promptTokens)
      keepInTree(s); // Others with the same prompt may follow at once.
  }
}

bool Scheduler::append(Sequence &sequence, int32_t token, bool last) {
  assert(sequence.pending() == 0 && "the distribution of this token was not computed");
  sequence.tokens.push_back(token);
  if (last || sequence.generated() >= sequence.maxNewTokens ||
      sequence.tokens.size() > limits.context) {
    finish(sequence);
    return true;
  }
  return false;
}

void Scheduler::finish(Sequence &sequence) {
  if (sequence.state == SequenceState::Running) {
    keepInTree(sequence);
    std::erase(running, &sequence);
  } else if (sequence.state == SequenceState::Waiting) {
    std::erase(waiting, &sequence);
  }
  sequence.table.clear();
  sequence.state = SequenceState::Finished;
}

void Scheduler::remove(Sequence &sequence) {
  finish(sequence);
  std::erase_if(sequences,
                [&](const std::unique_ptr<Sequence> &s) { return s.get() == &sequence; });
}

uint64_t Scheduler::waitingTokens() const {
  uint64_t tokens = 0;
  for (const Sequence *s : waiting)
    tokens += s->tokens.size();
  return tokens;
}

Scheduler::Slots Scheduler::slots() const {
  Slots slots;
  for (const Sequence *s : running) {
    slots.held += s->table.blocks().size() * uint64_t(limits.blockTokens);
    slots.filled += s->computed;
  }
  return slots;
}

Status Scheduler::checkIntegrity() const {
  uint64_t held = 0;
  for (const auto &s : sequences) {
    held += s->table.blocks().size();
    if (s->state != SequenceState::Running && !s->table.blocks().empty())
      return Status::internal(fmt::format("sequence {} does not run and holds KV blocks", s->id));
    if (s->computed > s->table.blocks().size() * uint64_t(limits.blockTokens) &&
        s->state == SequenceState::Running)
      return Status::internal(fmt::format("sequence {} has {} computed tokens in {} blocks", s->id,
                                          s->computed, s->table.blocks().size()));
  }
  return blockPool.checkIntegrity(held + cachedBlocks());
}

} // namespace tenon::schedule
