//===- CollectiveProbe.cpp - How fast chips talk --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/CollectiveProbe.h"

#include "runtime/base/Arena.h"
#include "runtime/base/Clock.h"
#include "runtime/collective/Local.h"
#include "runtime/device/cpu/Topology.h"

#include <algorithm>
#include <atomic>
#include <span>

namespace tenon::tool {

namespace {

constexpr uint32_t kWarmUp = 20;
constexpr uint32_t kMostRounds = 1u << 14;

/// What one member brings along; pages are touched by its own worker 0.
struct Member {
  Arena in[2]; ///< In turn, as the contract of collectives asks.
  Arena out;
  std::vector<uint64_t> nanos; ///< Of each round.
  Status status = Status::ok();
};

/// One round's call, by every worker.
Status call(collective::Group &group, const collective::Caller &who, ProbedCollective what,
            float *in, float *out, uint64_t rows, uint64_t columns,
            std::span<const uint64_t> begins) {
  switch (what) {
  case ProbedCollective::AllReduce:
    return group.allReduce(who, in, out, rows, columns, /*accumulate=*/false);
  case ProbedCollective::AllGather:
    return group.gatherColumns(who, in, out, rows, begins);
  case ProbedCollective::Gather:
    return group.gatherColumns(who, in, out, rows, begins, /*root=*/0);
  case ProbedCollective::ReduceScatter:
    return group.reduceScatterColumns(who, in, out, rows, begins);
  case ProbedCollective::Broadcast:
    return group.broadcast(who, in, rows * columns * sizeof(float), 0);
  case ProbedCollective::SendReceive:
    if (who.member == 0)
      return group.send(who, in, rows * columns * sizeof(float), 1);
    if (who.member == 1)
      return group.receive(who, out, rows * columns * sizeof(float), 0);
    return Status::ok();
  case ProbedCollective::Barrier:
    return group.barrier(who);
  }
  return Status::internal("no such collective");
}

} // namespace

std::string_view collectiveName(ProbedCollective collective) {
  switch (collective) {
  case ProbedCollective::AllReduce:
    return "all_reduce";
  case ProbedCollective::AllGather:
    return "all_gather";
  case ProbedCollective::Gather:
    return "gather";
  case ProbedCollective::ReduceScatter:
    return "reduce_scatter";
  case ProbedCollective::Broadcast:
    return "broadcast";
  case ProbedCollective::SendReceive:
    return "send_receive";
  case ProbedCollective::Barrier:
    return "barrier";
  }
  return "";
}

double busFactor(ProbedCollective collective, uint32_t members) {
  const double n = members;
  switch (collective) {
  case ProbedCollective::AllReduce:
    return 2 * (n - 1) / n;
  case ProbedCollective::AllGather:
  case ProbedCollective::Gather:
  case ProbedCollective::ReduceScatter:
    return (n - 1) / n;
  case ProbedCollective::Broadcast:
  case ProbedCollective::SendReceive:
    return 1;
  case ProbedCollective::Barrier:
    return 0;
  }
  return 0;
}

StatusOr<std::unique_ptr<CollectiveProbe>>
CollectiveProbe::create(uint32_t chips, uint32_t workersEach, bool pin) {
  if (chips < 2 || workersEach == 0)
    return Status::invalidArgument("collectives need two chips and a worker on each");
  std::unique_ptr<CollectiveProbe> probe(new CollectiveProbe);
  probe->workersEach = workersEach;
  WorkerGroup::Options options;
  options.workers = chips * workersEach;
  const cpu::Topology &topology = cpu::readTopology();
  if (options.workers > topology.processors.size())
    options.barrierPolicy.spins = options.idlePolicy.spins = 0;
  else if (pin)
    options.processors.assign(topology.processors.begin(),
                              topology.processors.begin() + options.workers);
  const SpinPolicy policy = options.barrierPolicy;
  auto workers = WorkerGroup::start(std::move(options));
  if (!workers)
    return workers.status();
  probe->workers = std::move(*workers);
  auto group =
      collective::LocalGroup::create(std::vector<uint32_t>(chips, workersEach), policy);
  if (!group)
    return group.status();
  probe->group = std::move(*group);
  return probe;
}

StatusOr<CollectiveTime> CollectiveProbe::measure(ProbedCollective what, uint64_t rows,
                                                  uint64_t columns, double seconds) {
  const uint32_t size = members();
  const uint64_t bytes = rows * columns * sizeof(float);
  std::vector<uint64_t> begins;
  for (uint32_t m = 0; m <= size; ++m)
    begins.push_back(columns * m / size);
  std::vector<Member> all(size);
  for (Member &member : all) {
    for (Arena *arena : {&member.in[0], &member.in[1], &member.out}) {
      auto made = Arena::map(bytes, {.hugePages = true, .populate = false}, "a collective's rows");
      if (!made)
        return made.status();
      *arena = std::move(*made);
    }
    member.nanos.resize(kMostRounds + kWarmUp);
  }
  // Member 0 decides; the others learn from the barrier that follows.
  std::atomic<bool> over{false};
  uint32_t rounds = 0;
  uint64_t end = 0; // Counted from the end of the warm-up.
  workers->runEach([&](uint32_t worker) {
    const collective::Caller who = {worker / workersEach, worker % workersEach, workersEach};
    Member &mine = all[who.member];
    const uint64_t values = rows * columns;
    const uint64_t first = values * who.worker / workersEach,
                   last = values * (who.worker + 1) / workersEach;
    auto *out = reinterpret_cast<float *>(mine.out.data());
    std::fill(out + first, out + last, 0.0f);
    for (uint32_t round = 0;; ++round) {
      auto *in = reinterpret_cast<float *>(mine.in[round % 2].data());
      std::fill(in + first, in + last, float(round));
      if (worker == 0 && round == kWarmUp)
        end = nowNanos() + static_cast<uint64_t>(seconds * 1e9);
      if (worker == 0 && (round == kMostRounds + kWarmUp || (round > kWarmUp && nowNanos() > end))) {
        rounds = round;
        over.store(true, std::memory_order_relaxed);
      }
      // Within a process a collective can only fail for all, and at its first call.
      const Status ready = group->barrier(who);
      if (over.load(std::memory_order_relaxed))
        return;
      const uint64_t began = nowNanos();
      const Status done = call(*group, who, what, in, out, rows, columns, begins);
      if (who.worker == 0) {
        mine.nanos[round] = nowNanos() - began;
        if (mine.status.isOk())
          mine.status = ready.isOk() ? done : ready;
      }
    }
  });
  std::vector<double> times;
  for (uint32_t round = kWarmUp; round < rounds; ++round) {
    uint64_t slowest = 0;
    for (const Member &member : all)
      slowest = std::max(slowest, member.nanos[round]);
    times.push_back(double(slowest) * 1e-9);
  }
  for (const Member &member : all)
    TENON_RETURN_IF_ERROR(member.status);
  if (times.empty())
    return Status::internal("no round of a collective was timed");
  std::sort(times.begin(), times.end());
  return CollectiveTime{times[times.size() / 2], times.front(), times[times.size() * 99 / 100],
                        static_cast<uint32_t>(times.size())};
}

} // namespace tenon::tool
