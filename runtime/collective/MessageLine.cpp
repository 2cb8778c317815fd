//===- MessageLine.cpp - One transport, several threads -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/MessageLine.h"

#include "runtime/base/Clock.h"
#include "runtime/collective/Cluster.h"

#include <algorithm>
#include <chrono>
#include <sched.h>
#include <thread>

namespace tenon::collective {

std::unique_lock<std::mutex> MessageLine::take() {
  while (wanted.load(std::memory_order_relaxed))
    sched_yield();
  return std::unique_lock(mutex);
}

std::unique_lock<std::mutex> MessageLine::takeFirst() {
  wanted.store(true, std::memory_order_relaxed);
  std::unique_lock lock(mutex);
  wanted.store(false, std::memory_order_relaxed);
  return lock;
}

MessageBatch::MessageBatch(Cluster &c, size_t most) : cluster(c) { messages.reserve(most); }

void MessageBatch::post(bool sends, uint32_t peer, int tag, void *data, uint64_t bytes) {
  auto *at = static_cast<std::byte *>(data);
  Transport &transport = cluster.line.transport;
  do { // An empty message is a message.
    const uint64_t part = std::min(bytes, Transport::kMostBytes);
    Message message{{}, peer, sends};
    const auto lock = cluster.line.take();
    if (!(sends ? transport.send(at, part, peer, tag, message.request)
                : transport.receive(at, part, peer, tag, message.request))) {
      refused =
          Status::unavailable(cluster.nameOf(peer) + " cannot be reached: " + transport.error());
      return;
    }
    messages.push_back(message);
    at += part;
    bytes -= part;
  } while (bytes != 0);
}

void MessageBatch::send(uint32_t to, int tag, const void *data, uint64_t bytes) {
  post(true, to, tag, const_cast<void *>(data), bytes);
}

void MessageBatch::receive(uint32_t from, int tag, void *data, uint64_t bytes) {
  post(false, from, tag, data, bytes);
}

/// One look at the messages. An error is that of the job.
Status MessageBatch::poll() {
  Health &health = cluster.health;
  if (!refused.isOk())
    cluster.fail(refused);
  // After a failure nothing may be moved on any more: buffers may be gone.
  if (health.failed())
    return health.reason();
  const auto lock = cluster.line.take();
  for (; done < messages.size(); ++done) {
    Message &m = messages[done];
    switch (cluster.line.transport.test(m.request, m.sends ? nullptr : &receivedBytes)) {
    case Transport::Progress::Pending:
      return Status::ok();
    case Transport::Progress::Failed:
      cluster.fail(Status::unavailable(cluster.nameOf(m.peer) +
                                       " cannot be reached: " + cluster.line.transport.error()));
      return health.reason();
    case Transport::Progress::Done:
      break;
    }
  }
  return Status::ok();
}

StatusOr<bool> MessageBatch::isDone() {
  TENON_RETURN_IF_ERROR(poll());
  return done == messages.size();
}

Status MessageBatch::wait(Wait mode, double seconds) {
  TENON_RETURN_IF_ERROR(waitUntil(messages.size(), mode, seconds));
  messages.clear();
  done = 0;
  return Status::ok();
}

Status MessageBatch::waitForFirst(size_t count) { return waitUntil(count, Wait::Busy, 0); }

Status MessageBatch::waitUntil(size_t count, Wait mode, double seconds) {
  constexpr uint32_t polite = 256, sleepy = 4096; // Polls until a waiter yields, and sleeps.
  const uint64_t began = nowNanos();
  Health &health = cluster.health;
  const int32_t before = health.activity.load(std::memory_order_relaxed);
  for (uint32_t polls = 0;; ++polls) {
    TENON_RETURN_IF_ERROR(poll());
    if (done >= count)
      break;
    if (mode == Wait::Busy && polls == polite)
      health.activity.store(static_cast<int32_t>(messages[done].peer), std::memory_order_relaxed);
    if (mode == Wait::Idle && polls >= sleepy)
      std::this_thread::sleep_for(std::chrono::microseconds(polls < 2 * sleepy ? 50 : 500));
    else if (polls >= polite)
      sched_yield();
    if (seconds > 0 && polls >= polite && double(nowNanos() - began) * 1e-9 > seconds)
      cluster.fail(
          Status::unavailable(cluster.nameOf(messages[done].peer) + " did not answer in time"));
  }
  health.activity.store(before, std::memory_order_relaxed);
  return Status::ok();
}

} // namespace tenon::collective
