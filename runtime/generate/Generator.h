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
#include "runtime/generate/Pooler.h"
#include "runtime/generate/StepDraws.h"
#include "runtime/schedule/Scheduler.h"
#include "runtime/schedule/StepPace.h"

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
  uint32_t minNewTokens = 0;       ///< No stop token is drawn before this many tokens.
  int32_t priority = 0;            ///< Lower runs earlier.
  /// Which tokens may come next; null: any. It keeps state, so no two requests share one.
  std::shared_ptr<sample::TokenMask> mask;
  /// Report the logits of every prompt row to the listener, ...
  bool promptLogits = false;
  /// ... and do nothing else.
  bool scoreOnly = false;
  /// Not None: draw nothing, and report a vector. Only where the executor has hidden states.
  Pooling pooling = Pooling::None;
};

/// What prompt logits are read against.
struct PromptView {
  std::span<const int32_t> tokens; ///< Valid while the request is.
  uint32_t topLogprobs = 0;
  bool scoreOnly = false;
};

/// A token was drawn.
struct TokenEvent {
  uint64_t request = 0;
  int32_t token = 0;
  float logprob = 0;
  std::span<const sample::TokenLogprob> alternatives; ///< Valid during the call.
  /// With Stop the token is the stop token itself; with Cancelled the request's mask failed, and
  /// there is no token.
  FinishReason finish = FinishReason::None;
  uint64_t startedNanos = 0; ///< When the first step with rows of this request began.
  uint32_t cachedTokens = 0; ///< Prompt tokens that came from the prefix tree.
  uint32_t preemptions = 0;
};

/// A prompt's vector is known.
struct PooledEvent {
  uint64_t request = 0;
  std::span<const float> vector; ///< [model.hidden], not normalised. Valid during the call.
  uint64_t startedNanos = 0;
  uint32_t cachedTokens = 0, preemptions = 0; ///< As in TokenEvent.
};

/// Hears of each step's results, on the stepping thread.
class Listener {
public:
  virtual ~Listener() = default;
  virtual void onToken(const TokenEvent &event) {}
  /// promptLogits, scoreOnly: `logits` is the distribution after prompt[position]. Valid during the
  /// call. Positions come in order, each once, whatever is preempted. The last one of a request
  /// that generates is not reported: its logits are those that the first token is drawn from.
  virtual void onPromptLogits(uint64_t request, uint32_t position, std::span<const float> logits) {}
  /// pooling: the request is done.
  virtual void onPooled(const PooledEvent &event) {}
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

/// Where the time of the last step went, in nanoseconds.
struct StepTimes {
  uint64_t schedule = 0, execute = 0;
  uint64_t sample = 0;  ///< Drawing, and telling the listener.
  uint64_t grammar = 0; ///< Masks of requests; not in `sample`.
  uint32_t masked = 0;  ///< Tokens drawn under a mask.
  uint32_t rows = 0, promptRows = 0, logitRows = 0;
  uint64_t context = 0; ///< Sum over the rows of the positions each attends to.
  uint64_t positions =
      0; ///< Sum over the sequences of the positions that any of their rows attends to.
  schedule::Scheduler::Slots kvSlots; ///< When the rows were computed.
};

/// Drives one executor. One thread at a time. On a pipeline it keeps as many steps under way as the
/// executor takes, of different requests: while one stage computes a step, another has the next,
/// and tokens of a third are drawn.
class Generator {
public:
  /// `executor` outlives the generator and serves nobody else meanwhile. `prefixTree`: keep the KV
  /// of finished beginnings, and start requests from them. `directory`, which may be null and
  /// outlives the generator, is told which.
  Generator(executor::Executor &executor, const engine::Plan &plan, bool prefixTree = false,
            kv::PrefixDirectory *directory = nullptr);
  ~Generator();

  /// From here on steps that several requests wait for take about so many nanoseconds, as far as
  /// smaller chunks of prompts can bring that about; 0: any time, which is how it begins. Tokens
  /// are the same.
  void paceSteps(uint64_t nanos) { pace = schedule::StepPace(nanos); }

  /// Queues a request and returns its number (0, 1, 2, ...). InvalidArgument names what is wrong.
  StatusOr<uint64_t> add(Request request);

  /// Runs one step, and begins those that may follow it. Does nothing when there is no work. After
  /// an error of the executor nothing has advanced: the steps may be tried again, or their requests
  /// cancelled.
  Status step(Listener &listener);

  /// Ends a request early: the listener hears no more of it. Unknown or finished ones are ignored.
  void cancel(uint64_t request);

  /// Of a request that is queued or runs; empty for another.
  PromptView promptOf(uint64_t request) const;
  uint32_t vocabularySize() const { return vocabulary; }

  bool hasWork() const { return scheduler.hasWork(); }
  const StepStats &stats() const { return totals; }
  void resetStats() { totals = {}; }
  const StepTimes &lastStep() const { return times; }
  const schedule::Scheduler &state() const { return scheduler; }

private:
  struct Active;
  /// A step under way.
  struct Flight {
    std::vector<schedule::ScheduledRows> planned;
    std::vector<Active *> requests; ///< Of `planned`.
    StepTimes times;
    uint64_t began = 0, promptRows = 0;
  };
  Flight &flightAt(size_t number) { return flights[(firstFlight + number) % flights.size()]; }
  /// Plans a step and has it begin. False: there is nothing to begin.
  StatusOr<bool> begin();
  Status finish(Listener &listener);
  void loseFlights();
  Active *find(uint64_t number) const; ///< Null if it is not active.
  /// Whether a token is to be drawn after these rows, which are computed.
  static bool draws(const schedule::ScheduledRows &rows, const Active &request);
  void collect(const schedule::ScheduledRows &rows, Active &request);
  /// `nextDraw`: of the step's draws; advanced if this request has one.
  void deliver(Active &request, const schedule::ScheduledRows &rows, size_t &nextDraw,
               Listener &listener);
  /// `row`: of the step, where the request's rows begin.
  void pool(Active &request, const schedule::ScheduledRows &rows, uint32_t row, Listener &listener);
  void reportPrompt(Active &request, const schedule::ScheduledRows &rows, Listener &listener);
  void end(const Active &request);

  executor::Executor &executor;
  const uint32_t vocabulary;
  schedule::Scheduler scheduler;
  schedule::StepPace pace;
  StepDraws stepDraws;
  std::vector<std::unique_ptr<Active>> active; ///< Numbers ascend.
  std::vector<executor::StepRows> rows;
  std::vector<Flight>
      flights; ///< Used in turn: those under way are `inFlight` from `firstFlight` on.
  size_t firstFlight = 0, inFlight = 0;
  uint64_t lastEnded = 0; ///< When the last step had ended.
  StepStats totals;
  StepTimes times;
  uint64_t nextRequest = 0;
};

} // namespace tenon::generate

#endif // TENON_RUNTIME_GENERATE_GENERATOR_H
