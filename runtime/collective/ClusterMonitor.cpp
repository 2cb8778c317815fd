//===- ClusterMonitor.cpp - Notices ranks that died or hang ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/ClusterMonitor.h"

#include "runtime/base/Clock.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <pthread.h>

namespace tenon::collective {

namespace {
constexpr uint64_t kMilli = 1'000'000;
constexpr uint64_t kPoll = 50, kBeat = 200; ///< Milliseconds.
/// How long others are given to be told, and to say it themselves, before a launcher kills them.
constexpr uint64_t kTell = 400, kGrace = 2000;

std::string secondsText(uint64_t nanos) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f s", double(nanos) * 1e-9);
  return text;
}
} // namespace

ClusterMonitor::ClusterMonitor(Cluster &c, const ClusterOptions &o) : cluster(c), options(o) {
  const uint64_t now = nowNanos();
  own.rank = cluster.rank();
  own.heard = own.changed = now;
  for (uint32_t r = 0; r < cluster.size(); ++r)
    if (r != own.rank && (own.rank == 0 || r == 0)) {
      watches.emplace_back();
      watches.back().rank = r;
      watches.back().heard = watches.back().changed = now;
    }
  const auto lock = cluster.line.takeFirst();
  for (Watch &peer : watches) // From here on they may not move.
    if (!cluster.line.transport.receive(&peer.in, sizeof(Beat), peer.rank, Tag::Monitor,
                                        peer.receiving))
      cluster.fail(Status::unavailable(cluster.nameOf(peer.rank) + " cannot be reached"));
  thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "tenon-monitor");
    run();
  });
}

ClusterMonitor::~ClusterMonitor() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    if (!well && !cluster.health.failed())
      cluster.fail(Status::unavailable(cluster.nameOf(own.rank) + " ended early"));
  }
  wake.notify_all();
  if (thread.joinable())
    thread.join();
}

void ClusterMonitor::finish() {
  {
    const std::lock_guard lock(mutex);
    stopping = well = true;
  }
  wake.notify_all();
  thread.join();
  const auto lock = cluster.line.takeFirst();
  Transport &transport = cluster.line.transport;
  const uint64_t until = nowNanos() + kTell * kMilli;
  for (Watch &peer : watches) {
    // A few hundred bytes under way to a rank that leaves too: it takes them.
    while (peer.sendPending && transport.test(peer.sending) == Transport::Progress::Pending &&
           nowNanos() < until)
      ;
    transport.cancel(peer.receiving);
  }
}

bool ClusterMonitor::sleepFor(uint64_t millis) {
  std::unique_lock lock(mutex);
  return !wake.wait_for(lock, std::chrono::milliseconds(millis), [this] { return stopping; });
}

void ClusterMonitor::run() {
  uint64_t last = nowNanos();
  while (!cluster.health.failed()) {
    const uint64_t now = nowNanos();
    // This process itself was stopped, or got no processor: what it did not hear says nothing.
    if (const uint64_t gap = now - last; gap > 1000 * kMilli) {
      for (Watch &peer : watches) {
        peer.heard += gap;
        peer.changed += gap;
      }
      own.changed += gap;
    }
    last = now;
    {
      const auto lock = cluster.line.takeFirst();
      for (Watch &peer : watches) {
        listen(peer, now);
        beat(peer, now);
      }
    }
    note(own, cluster.health.activity.load(std::memory_order_relaxed),
         cluster.health.progress.load(std::memory_order_relaxed), now);
    judge(now);
    if (!cluster.health.failed() && !sleepFor(kPoll))
      break;
  }
  {
    const std::lock_guard lock(mutex);
    if (well)
      return;
  }
  announce();
  if (sleepFor(kGrace) && options.onStuck)
    options.onStuck(cluster.failure());
}

void ClusterMonitor::note(Watch &of, int32_t activity, uint64_t progress, uint64_t now) {
  if (of.activity == activity && of.progress == progress)
    return;
  of.activity = activity;
  of.progress = progress;
  of.changed = now;
}

void ClusterMonitor::listen(Watch &peer, uint64_t now) {
  Transport &transport = cluster.line.transport;
  for (int most = 16; most-- > 0;) {
    const Transport::Progress got = transport.test(peer.receiving);
    if (got == Transport::Progress::Pending)
      return;
    bool asked = got == Transport::Progress::Done;
    if (asked) {
      peer.heard = now;
      note(peer, peer.in.activity, peer.in.progress, now);
      if (peer.in.failure != int32_t(StatusCode::Ok)) {
        peer.in.text[sizeof(peer.in.text) - 1] = 0;
        peer.toldUs = true;
        cluster.fail({StatusCode(peer.in.failure), peer.in.text});
      }
      asked = transport.receive(&peer.in, sizeof(Beat), peer.rank, Tag::Monitor, peer.receiving);
    }
    if (!asked)
      return cluster.fail(Status::unavailable(cluster.nameOf(peer.rank) +
                                              " cannot be reached: " + transport.error()));
  }
}

void ClusterMonitor::beat(Watch &peer, uint64_t now) {
  Transport &transport = cluster.line.transport;
  if (peer.sendPending && transport.test(peer.sending) == Transport::Progress::Pending)
    return;
  peer.sendPending = false;
  if (now - peer.sent < kBeat * kMilli)
    return;
  peer.out = {};
  peer.out.activity = cluster.health.activity.load(std::memory_order_relaxed);
  peer.out.progress = cluster.health.progress.load(std::memory_order_relaxed);
  peer.sent = now;
  peer.sendPending = transport.send(&peer.out, sizeof(Beat), peer.rank, Tag::Monitor, peer.sending);
}

void ClusterMonitor::judge(uint64_t now) {
  const auto most = static_cast<uint64_t>(options.timeoutSeconds * 1e9);
  for (const Watch &peer : watches)
    if (now > peer.heard + most)
      return cluster.fail(Status::unavailable(
          cluster.nameOf(peer.rank) + " has not been heard of for " +
          secondsText(now - peer.heard) +
          ": it was killed or stopped, or its host cannot be reached; all ranks stop"));
  if (own.rank != 0)
    return;
  uint64_t changed = own.changed;
  const Watch *waiter = nullptr;
  const auto consider = [&](const Watch &w) {
    changed = std::max(changed, w.changed);
    if (w.activity == Health::Computing && now > w.changed + most)
      cluster.fail(Status::unavailable(cluster.nameOf(w.rank) +
                                       " lives and has not finished a launch for " +
                                       secondsText(now - w.changed) + "; all ranks stop"));
    if (w.activity >= 0)
      waiter = &w;
  };
  consider(own);
  for (const Watch &peer : watches)
    consider(peer);
  // Everybody alive, nobody moves, and somebody waits: none of them will ever go on.
  if (waiter && now > changed + 2 * most)
    cluster.fail(Status::unavailable(cluster.nameOf(waiter->rank) + " has waited for " +
                                     cluster.nameOf(static_cast<uint32_t>(waiter->activity)) +
                                     " for " + secondsText(now - changed) +
                                     " and no rank moves; all ranks stop"));
}

/// Best effort: to ranks that live the reason arrives within milliseconds.
void ClusterMonitor::announce() {
  const Status why = cluster.failure();
  const uint64_t until = nowNanos() + kTell * kMilli;
  Transport &transport = cluster.line.transport;
  std::vector<bool> told(watches.size());
  bool all = false;
  while (!all && nowNanos() < until) {
    all = true;
    {
      const auto lock = cluster.line.takeFirst();
      for (size_t i = 0; i < watches.size(); ++i) {
        Watch &peer = watches[i];
        if (peer.sendPending && transport.test(peer.sending) == Transport::Progress::Pending) {
          all = false;
          continue;
        }
        peer.sendPending = false;
        if (told[i] || peer.toldUs)
          continue;
        peer.out = {};
        peer.out.failure = int32_t(why.code());
        std::snprintf(peer.out.text, sizeof(peer.out.text), "%s", why.message().c_str());
        told[i] = true;
        peer.sendPending =
            transport.send(&peer.out, sizeof(Beat), peer.rank, Tag::Monitor, peer.sending);
        all = false;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // Time for them to say it before this process's end makes a launcher kill them.
  std::this_thread::sleep_for(std::chrono::milliseconds(kTell));
}

} // namespace tenon::collective
