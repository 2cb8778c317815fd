//===- Generator.h - Scheduler, executor and sampler together ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The loop that `tenon generate`, `chat`, `bench` and `score` share: plan a step, compute it, draw
// a token for every row that asked for logits, tell the listener. No I/O and no text: ids in, ids
// out.
//
#ifndef TENON_RUNTIME_GENERATE_GENERATOR_H
#define TENON_RUNTIME_GENERATE_GENERATOR_H

#include "runtime/executor/Executor.h"
#include "runtime/sample/Sampler.h"
#include "runtime/schedule/Scheduler.h"

#include <memory>
#include <span>
#include <vector>

namespace tenon::generate {

enum class FinishReason : uint8_t { None, Stop, Length, Cancelled };

/// "stop", "length", "cancelled".
const char *finishReasonName(FinishReason reason);

struct Request {
  std::vector<int32_t> prompt;
  sample::SamplingParams sampling;
  uint32_t maxNewTokens = 128;
  std::vector<int32_t> stopTokens; ///< Drawing one ends the request; it is not part of the answer.
  /// Report the logits of every prompt row to the listener instead of generating.
  bool scoreOnly = false;
};

/// A token was drawn.
struct TokenEvent {
  uint64_t request = 0;
  int32_t token = 0;
  float logprob = 0;
  std::span<const sample::TokenLogprob> alternatives; ///< Valid during the call.
  FinishReason finish = FinishReason::None; ///< With Stop the token is the stop token itself.
};

/// Hears of each step's results, on the stepping thread.
class Listener {
public:
  virtual ~Listener() = default;
  virtual void onToken(const TokenEvent &event) {}
  /// scoreOnly: `logits` is the distribution after prompt[position]. Valid during the call.
  virtual void onPromptLogits(uint64_t request, uint32_t position, std::span<const float> logits) {}
};

/// Sums over steps. Times are of the whole step: planning, computing, drawing, telling.
struct StepStats {
  uint64_t steps = 0, prefillSteps = 0;
  uint64_t promptTokens = 0; ///< Prompt rows computed.
  uint64_t decodeTokens = 0; ///< Tokens drawn in steps without prompt rows.
  uint64_t prefillNanos = 0; ///< Steps with prompt rows.
  uint64_t decodeNanos = 0;  ///< Steps without.
  uint64_t computeNanos = 0; ///< Inside the executor; the rest is the host's.
};

/// Drives one executor. One thread at a time.
class Generator {
public:
  /// `executor` outlives the generator and serves nobody else meanwhile. `prefixTree`: keep the KV
  /// of finished beginnings, and start requests from them.
  Generator(executor::Executor &executor, const engine::Plan &plan, bool prefixTree = false);
  ~Generator();

  /// Queues a request and returns its number (0, 1, 2, ...). InvalidArgument names what is wrong.
  StatusOr<uint64_t> add(Request request);

  /// Runs one step. Does nothing when there is no work.
  Status step(Listener &listener);

  /// Ends a request early. Unknown or finished ones are ignored.
  void cancel(uint64_t request);

  bool hasWork() const { return scheduler.hasWork(); }
  const StepStats &stats() const { return totals; }
  void resetStats() { totals = {}; }
  const schedule::Scheduler &state() const { return scheduler; }

private:
  struct Active;
  void deliver(const schedule::ScheduledRows &rows, Listener &listener);

  executor::Executor &executor;
  const uint32_t vocabulary;
  schedule::Scheduler scheduler;
  sample::Sampler sampler;
  std::vector<std::unique_ptr<Active>> active;
  std::vector<schedule::ScheduledRows> planned;
  std::vector<executor::StepRows> rows;
  std::vector<sample::TokenLogprob> alternatives;
  StepStats totals;
  uint64_t nextRequest = 0;
};

} // namespace tenon::generate

#endif // TENON_RUNTIME_GENERATE_GENERATOR_H
