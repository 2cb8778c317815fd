//===- Mailbox.h - From engine threads to an I/O thread ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_MAILBOX_H
#define TENON_RUNTIME_SERVER_MAILBOX_H

#include "runtime/base/Status.h"
#include "runtime/generate/Generator.h"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace tenon::server {

/// Something happened to a sequence.
struct SequenceEvent {
  enum class Kind : uint8_t {
    Token,       ///< `token` was drawn.
    PromptToken, ///< `token` is the prompt's at `position`; its log-probability is known now.
    Scored,      ///< The prompt is done, and nothing was to be generated.
    Pooled,      ///< As Scored, and `vector` is what it was pooled to.
    Failed,      ///< It ended with `status`.
  };
  Kind kind = Kind::Token;
  generate::FinishReason finish = generate::FinishReason::None;
  uint32_t sequence = 0; ///< Index in its job.
  int32_t token = 0;
  float logprob = 0;
  uint32_t position = 0;
  uint32_t rank = 0; ///< PromptToken: 1 if it was the likeliest.
  uint32_t cachedTokens = 0;
  uint32_t preemptions = 0;
  uint64_t startedNanos = 0; ///< When its first row was computed.
  uint64_t nanos = 0;        ///< Now.
  std::vector<sample::TokenLogprob> alternatives;
  std::vector<float> vector;
  Status status;

  bool isLast() const {
    return kind == Kind::Failed || kind == Kind::Scored || kind == Kind::Pooled ||
           finish != generate::FinishReason::None;
  }
};

/// Hears of a job's sequences, on the I/O thread of its mailbox.
class Receiver {
public:
  virtual ~Receiver() = default;
  virtual void onEvent(SequenceEvent &event) = 0;
  /// After the last event of a batch (about one a step) that concerned this receiver.
  virtual void onBatchEnd() = 0;
};

/// A queue of events with one reader, an I/O thread. Every replica's engine thread writes to it,
/// each with one lock and one wake-up a step.
class Mailbox {
public:
  /// An event on its way.
  struct Delivery {
    std::shared_ptr<Receiver> receiver;
    SequenceEvent event;
  };

  /// `wake` makes the I/O thread call drain() soon; any thread may call it.
  explicit Mailbox(std::function<void()> wake) : wake(std::move(wake)) {}

  /// Any thread. Takes all of `events`, in their order, and leaves it empty.
  void deliver(std::vector<Delivery> &events);

  /// Any thread: `task` runs on the I/O thread.
  void post(std::function<void()> task);

  /// I/O thread: runs the tasks, and gives every event to its receiver.
  void drain();

private:
  std::function<void()> wake;
  std::mutex mutex;
  std::vector<Delivery> arrived;             ///< Guarded by `mutex`.
  std::vector<std::function<void()>> posted; ///< Guarded by `mutex`.
  std::vector<Delivery> reading;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_MAILBOX_H
