//===- EngineLoop.h - The thread that computes ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// One thread owns the scheduler, the executor and the sampler of one replica. I/O threads hand jobs
// in through a bounded inbox and hear of tokens through their mailboxes; they never wait for a
// step, and a step never waits for them.
//
#ifndef TENON_RUNTIME_SERVER_ENGINELOOP_H
#define TENON_RUNTIME_SERVER_ENGINELOOP_H

#include "runtime/generate/Generator.h"
#include "runtime/server/Mailbox.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace tenon::server {

/// Sequences that belong together: the prompts of a request, each `n` times. Made by an I/O thread;
/// after submit() the engine's thread alone touches it.
struct Job {
  struct Entry {
    generate::Request request;
    /// Another entry with the same prompt, which computes it first and leaves it in the prefix
    /// tree; the entry's own index if there is none.
    uint32_t leader = 0;
  };
  std::vector<Entry> entries;
  std::shared_ptr<Receiver> receiver;
  Mailbox *mailbox = nullptr; ///< Outlives the loop.
  uint64_t deadlineNanos = 0; ///< 0: none.

private:
  friend class EngineLoop;
  friend class Dispatcher;
  uint32_t replica = 0; ///< That computes it. I/O threads'.
  enum class State : uint8_t { Held, Queued, Over };
  struct Progress {
    State state = State::Held;
    uint64_t number = 0; ///< In the generator.
  };
  std::vector<Progress> progress;
  uint32_t left = 0; ///< Entries not over.
};

/// What a replica's loop, or all of them, have to do, for admission and metrics. Taken at the end
/// of a step.
struct Load {
  uint32_t running = 0, waiting = 0;
  uint32_t kvBlocks = 0, kvFree = 0, kvCached = 0; ///< Cached: held by the prefix tree alone.
  schedule::Scheduler::Slots kvSlots;              ///< Of the sequences that run.
  uint64_t queuedPromptTokens = 0;                 ///< Of sequences that wait.
  uint64_t preemptions = 0, prefixHits = 0, prefixQueries = 0; ///< Since start; tokens.
  uint64_t accepted = 0;                                       ///< Sequences since start.

  Load &operator+=(const Load &other);
};

/// Hears of every step, on the engine's thread. Must be quick.
class StepObserver {
public:
  virtual ~StepObserver() = default;
  virtual void onStep(const generate::StepTimes &times, uint64_t emitNanos) = 0;
};

class EngineLoop : private generate::Listener {
public:
  struct Options {
    uint32_t queue = 512; ///< Sequences not yet running at most.
    bool audit = false;   ///< Check the conservation of KV blocks after every step.
    bool prefixTree = true;
  };

  /// `generator` and `observer` outlive the loop; the observer may be null.
  EngineLoop(generate::Generator &generator, const Options &options, StepObserver *observer);
  ~EngineLoop() override;

  /// Any thread. False, and nothing taken, when the queue has no room or the loop stops. An empty
  /// queue takes any job, so that a large fan-out can run at all.
  [[nodiscard]] bool submit(std::shared_ptr<Job> job);

  /// Any thread. Ends entries of a job; the next step has its blocks. No event follows for them.
  void cancel(std::shared_ptr<Job> job, uint32_t entry);
  void cancelAll(std::shared_ptr<Job> job);

  /// Computes on the calling thread, which must be the one that made the executor, until stop().
  /// Sleeps while there is nothing to do. Internal if an audit fails.
  Status run();

  /// Any thread. Fails what is left with Cancelled and ends run().
  void stop();

  Load load() const;
  uint32_t inFlight() const { return taken.load(std::memory_order_relaxed); } ///< Sequences.

private:
  struct Command {
    enum class Kind : uint8_t { Submit, Cancel, CancelAll } kind;
    std::shared_ptr<Job> job;
    uint32_t entry = 0;
  };
  struct Owner {
    std::shared_ptr<Job> job;
    uint32_t entry;
  };

  void onToken(const generate::TokenEvent &event) override;
  void onPromptLogits(uint64_t request, uint32_t position, std::span<const float> logits) override;

  void onPooled(const generate::PooledEvent &event) override;

  bool takeCommands();
  void handle(Command &command);
  void start(const std::shared_ptr<Job> &job, uint32_t entry);
  void release(const std::shared_ptr<Job> &job, uint32_t leader);
  void end(const std::shared_ptr<Job> &job, uint32_t entry);
  void close(const std::shared_ptr<Job> &job, uint32_t entry);
  void fail(const std::shared_ptr<Job> &job, uint32_t entry, Status status);
  void failEverything(const Status &status);
  void expire(uint64_t now);
  void stage(Job &job, SequenceEvent &&event);
  void flush();
  void publish();

  generate::Generator &generator;
  const Options options;
  StepObserver *const observer;
  std::unordered_map<uint64_t, Owner> owners; ///< By the generator's number.
  std::vector<std::shared_ptr<Job>> jobs;     ///< Not over.
  /// Events of the step, by mailbox; one entry for each that there is.
  struct Outgoing {
    Mailbox *mailbox;
    std::vector<Mailbox::Delivery> events;
  };
  std::vector<Outgoing> outgoing;
  sample::Sampler promptSampler; ///< For the best alternatives of prompt positions.
  uint32_t failedSteps = 0;      ///< In a row.

  mutable std::mutex mutex;
  std::condition_variable something;
  std::vector<Command> inbox; ///< Guarded by `mutex`.
  bool stopping = false;      ///< Guarded by `mutex`.
  Load current;               ///< Guarded by `mutex`.
  std::vector<Command> commands;
  std::atomic<uint32_t> taken{0};
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_ENGINELOOP_H
