//===- MessageLine.h - One transport, several threads -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_MESSAGELINE_H
#define TENON_RUNTIME_COLLECTIVE_MESSAGELINE_H

#include "runtime/base/Status.h"
#include "runtime/collective/Transport.h"

#include <atomic>
#include <mutex>
#include <vector>

namespace tenon::collective {

class Cluster;

/// Keeps calls of the transport apart. Threads that wait for messages poll in turns and make way
/// for the monitor, which comes rarely and must not starve.
class MessageLine {
public:
  explicit MessageLine(Transport &transport) : transport(transport) {}

  /// For a thread that polls: held for one call or a few.
  std::unique_lock<std::mutex> take();
  /// For the monitor.
  std::unique_lock<std::mutex> takeFirst();

  Transport &transport;

private:
  std::mutex mutex;
  std::atomic<bool> wanted{false};
};

/// Messages that one thread sends and receives at a time. Allocates when made, and where more than
/// `most` messages are under way.
class MessageBatch {
public:
  MessageBatch(Cluster &cluster, size_t most);

  /// Post a message. Buffers stay valid until wait() has returned; after a failure, for good.
  void send(uint32_t to, int tag, const void *data, uint64_t bytes);
  void receive(uint32_t from, int tag, void *data, uint64_t bytes);

  enum class Wait {
    Busy, ///< The answer is being computed: polls, and counts as waiting for the rank.
    Idle, ///< It may take hours: sleeps between polls, and says nothing about the rank.
  };
  /// Returns when all posted messages are done, or the job has failed. `seconds`: fails the job,
  /// naming the rank that is waited for, when it takes longer; 0: the monitor alone decides.
  Status wait(Wait wait = Wait::Busy, double seconds = 0);

  /// As wait(), for the first `count` messages that were posted; the others stay under way.
  Status waitForFirst(size_t count);

  /// Whether wait() would return at once; an error is that of the job.
  StatusOr<bool> isDone();

  /// Bytes of the last receive that was done.
  uint64_t received() const { return receivedBytes; }

private:
  struct Message {
    Transport::Request request;
    uint32_t peer;
    bool sends;
  };
  void post(bool sends, uint32_t peer, int tag, void *data, uint64_t bytes);
  Status poll();
  Status waitUntil(size_t count, Wait mode, double seconds);

  Cluster &cluster;
  std::vector<Message> messages;
  size_t done = 0; ///< The first message that may be pending.
  Status refused;  ///< Of a post.
  uint64_t receivedBytes = 0;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_MESSAGELINE_H
