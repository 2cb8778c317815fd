//===- TraceGather.cpp - Traced steps of several processes ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/TraceGather.h"

#include "runtime/base/Clock.h"

#include <algorithm>
#include <cstdlib>

namespace tenon::executor {

using collective::Cluster;
using collective::MessageBatch;
using collective::Tag;

namespace {
constexpr int kClockExchanges = 64;
} // namespace

int64_t clockOffset(uint64_t asked, uint64_t answered, uint64_t theirs) {
  const uint64_t half = (answered - asked) / 2;
  const auto offset = static_cast<int64_t>(asked + half - theirs);
  return uint64_t(std::abs(offset)) <= half ? 0 : offset;
}

StatusOr<TraceGather> TraceGather::create(Cluster &cluster, CommandSender &commands,
                                          uint32_t chips) {
  TraceGather gather(cluster, commands, chips);
  TENON_RETURN_IF_ERROR(gather.askClocks());
  TENON_RETURN_IF_ERROR(gather.collect()); // No events yet: who has how many workers.
  return gather;
}

Status TraceGather::askClocks() {
  TENON_RETURN_IF_ERROR(commands->send(Command::Clock));
  MessageBatch batch(*cluster, 2);
  for (uint32_t r = 1; r < cluster->size(); ++r) {
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < kClockExchanges; ++i) {
      uint64_t theirs = 0;
      const uint64_t asked = nowNanos();
      batch.send(r, Tag::Report, &asked, sizeof(asked));
      batch.receive(r, Tag::Report, &theirs, sizeof(theirs));
      TENON_RETURN_IF_ERROR(batch.wait());
      const uint64_t answered = nowNanos();
      if (answered - asked >= shortest)
        continue;
      shortest = answered - asked;
      offsets[r] = clockOffset(asked, answered, theirs);
    }
  }
  return Status::ok();
}

Status TraceGather::answerClock(Cluster &cluster) {
  MessageBatch batch(cluster, 1);
  for (int i = 0; i < kClockExchanges; ++i) {
    uint64_t asked = 0;
    batch.receive(0, Tag::Report, &asked, sizeof(asked));
    TENON_RETURN_IF_ERROR(batch.wait());
    const uint64_t own = nowNanos();
    batch.send(0, Tag::Report, &own, sizeof(own));
    TENON_RETURN_IF_ERROR(batch.wait());
  }
  return Status::ok();
}

Status TraceGather::collect() {
  TENON_RETURN_IF_ERROR(commands->send(Command::Trace));
  for (uint32_t r = 1; r < cluster->size(); ++r)
    TENON_RETURN_IF_ERROR(receiveFrom(r));
  return Status::ok();
}

/// Two messages: the first chip, and for each chip its workers and how many events each has; then
/// all events.
Status TraceGather::send(Cluster &cluster, uint32_t firstChip,
                         const std::vector<std::vector<std::span<const TraceEvent>>> &events) {
  std::vector<uint32_t> head = {firstChip, static_cast<uint32_t>(events.size())};
  std::vector<TraceEvent> all;
  for (const auto &chip : events) {
    head.push_back(static_cast<uint32_t>(chip.size()));
    for (std::span<const TraceEvent> worker : chip) {
      head.push_back(static_cast<uint32_t>(worker.size()));
      all.insert(all.end(), worker.begin(), worker.end());
    }
  }
  MessageBatch batch(cluster, 2);
  batch.send(0, Tag::Report, head.data(), head.size() * sizeof(uint32_t));
  batch.send(0, Tag::Report, all.data(), all.size() * sizeof(TraceEvent));
  return batch.wait();
}

Status TraceGather::receiveFrom(uint32_t rank) {
  const auto broken = [&] {
    return Status::dataLoss(cluster->nameOf(rank) + " sent a trace that makes no sense");
  };
  std::vector<uint32_t> head(2 + events.size() + engine::kMaxWorkers);
  MessageBatch batch(*cluster, 1);
  batch.receive(rank, Tag::Report, head.data(), head.size() * sizeof(uint32_t));
  TENON_RETURN_IF_ERROR(batch.wait());
  head.resize(batch.received() / sizeof(uint32_t));
  if (head.size() < 2 || head[0] > events.size() || head[1] > events.size() - head[0])
    return broken();
  uint64_t sum = 0;
  size_t at = 2;
  for (uint32_t chip = head[0]; chip < head[0] + head[1]; ++chip) {
    if (at == head.size() || head[at] > head.size() - at - 1)
      return broken();
    events[chip].resize(head[at++]);
    for (std::vector<TraceEvent> &worker : events[chip]) {
      sum += head[at];
      if (sum > collective::Transport::kMostBytes / sizeof(TraceEvent))
        return broken();
      worker.resize(head[at++]);
    }
  }
  std::vector<TraceEvent> all(sum);
  batch.receive(rank, Tag::Report, all.data(), sum * sizeof(TraceEvent));
  TENON_RETURN_IF_ERROR(batch.wait());
  if (at != head.size() || batch.received() != sum * sizeof(TraceEvent))
    return broken();
  auto next = all.begin();
  for (uint32_t chip = head[0]; chip < head[0] + head[1]; ++chip)
    for (std::vector<TraceEvent> &worker : events[chip])
      for (TraceEvent &event : worker) {
        event = *next++;
        event.began += static_cast<uint64_t>(offsets[rank]);
        event.ended += static_cast<uint64_t>(offsets[rank]);
      }
  return Status::ok();
}

} // namespace tenon::executor
