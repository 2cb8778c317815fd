//===- CollectiveProbe.cpp - How fast chips talk --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/CollectiveProbe.h"

#include "runtime/base/Arena.h"
#include "runtime/base/Clock.h"
#include "runtime/collective/Local.h"
#include "runtime/collective/RemoteGroup.h"
#include "runtime/device/cpu/Topology.h"

#include <algorithm>
#include <span>

namespace tenon::tool {

using collective::Element;

/// What one member brings along; pages are touched by its own workers.
struct CollectiveProbe::Member {
  Arena in[2]; ///< In turn, as the contract of collectives asks.
  Arena out;
  std::vector<uint64_t> nanos; ///< Of each round.
  Status status = Status::ok();
};

namespace {

constexpr uint32_t kWarmUp = 20;
constexpr uint32_t kMostRounds = 1u << 14;

/// One round's call, by every worker.
Status call(collective::Group &group, const collective::Caller &who, ProbedCollective what,
            void *in, void *out, uint64_t rows, uint64_t columns, std::span<const uint64_t> begins,
            Element element) {
  const uint64_t bytes = rows * columns * bytesOf(element);
  const collective::Addition how = {.in = element, .out = element};
  switch (what) {
  case ProbedCollective::AllReduce:
    return group.allReduce(who, in, out, rows, columns, how);
  case ProbedCollective::AllGather:
    return group.gatherColumns(who, in, out, rows, begins, collective::kEveryone, element);
  case ProbedCollective::Gather:
    return group.gatherColumns(who, in, out, rows, begins, /*root=*/0, element);
  case ProbedCollective::ReduceScatter:
    return group.reduceScatterColumns(who, in, out, rows, begins, how);
  case ProbedCollective::Broadcast:
    return group.broadcast(who, in, bytes, 0);
  case ProbedCollective::SendReceive:
    if (who.member == 0)
      return group.send(who, in, bytes, 1);
    if (who.member == 1)
      return group.receive(who, out, bytes, 0);
    return Status::ok();
  case ProbedCollective::Barrier:
    return group.barrier(who);
  }
  return Status::internal("no such collective");
}

/// Elements [first, last) of `data` become `value`.
void fill(std::byte *data, Element element, uint64_t first, uint64_t last, float value) {
  if (element == Element::F32)
    std::fill(reinterpret_cast<float *>(data) + first, reinterpret_cast<float *>(data) + last,
              value);
  else
    std::fill(reinterpret_cast<collective::Bf16 *>(data) + first,
              reinterpret_cast<collective::Bf16 *>(data) + last, collective::toBf16(value));
}

} // namespace

CollectiveFacts factsOf(ProbedCollective collective, uint32_t members) {
  const double n = members, others = n - 1;
  switch (collective) {
  case ProbedCollective::AllReduce:
    return {"all_reduce", 2 * others / n, others};
  case ProbedCollective::AllGather:
    return {"all_gather", others / n, others / n};
  case ProbedCollective::Gather: // Everyone carries its own columns.
    return {"gather", others / n, 1 / n};
  case ProbedCollective::ReduceScatter:
    return {"reduce_scatter", others / n, others / n};
  case ProbedCollective::Broadcast:
    return {"broadcast", 1, 1};
  case ProbedCollective::SendReceive:
    return {"send_receive", 1, 1, /*alone=*/true};
  case ProbedCollective::Barrier:
    return {"barrier"};
  }
  return {};
}

StatusOr<std::unique_ptr<CollectiveProbe>> CollectiveProbe::create(const Setup &setup) {
  if (setup.chips < 2 || setup.workersEach == 0)
    return Status::invalidArgument("collectives need two chips and a worker on each");
  collective::Cluster *cluster = setup.cluster;
  const uint32_t processes = cluster ? cluster->size() : 1, rank = cluster ? cluster->rank() : 0;
  if (setup.chips < processes)
    return Status::invalidArgument("--chips " + std::to_string(setup.chips) + ": there are " +
                                   std::to_string(processes) + " processes; each needs a chip");
  std::unique_ptr<CollectiveProbe> probe(new CollectiveProbe(setup));
  probe->own = engine::chipsOfProcess(setup.chips, rank, processes);
  WorkerGroup::Options options;
  options.workers = probe->own.count * setup.workersEach;
  const cpu::Topology &topology = cpu::readTopology();
  // As the executor places its workers: processes that may use the same processors share them out.
  const uint32_t sharers = cluster ? cluster->peer(rank).sharers : 1;
  const uint32_t place = cluster ? cluster->peer(rank).place : 0;
  if (uint64_t(options.workers) * sharers > topology.processors.size()) {
    options.barrierPolicy.spins = options.idlePolicy.spins = 0;
  } else if (setup.pin) {
    const auto first = topology.processors.begin() + place * options.workers;
    options.processors.assign(first, first + options.workers);
  }
  const SpinPolicy policy = options.barrierPolicy;
  auto workers = WorkerGroup::start(std::move(options));
  if (!workers)
    return workers.status();
  probe->workers = std::move(*workers);
  if (!cluster) {
    auto group = collective::LocalGroup::create(
        std::vector<uint32_t>(setup.chips, setup.workersEach), policy);
    if (!group)
      return group.status();
    probe->group = std::move(*group);
    return probe;
  }
  collective::RemoteGroup::Setup remote;
  for (uint32_t r = 0; r < processes; ++r)
    remote.ranks.insert(remote.ranks.end(), engine::chipsOfProcess(setup.chips, r, processes).count,
                        r);
  remote.workers.assign(probe->own.count, setup.workersEach);
  remote.mostBytes = setup.mostBytes;
  remote.policy = policy;
  auto group = collective::RemoteGroup::create(*cluster, std::move(remote));
  if (!group)
    return group.status();
  probe->group = std::move(*group);
  return probe;
}

/// Runs so many rounds and keeps their times.
Status CollectiveProbe::rounds(ProbedCollective what, uint64_t rows, uint64_t columns,
                               Element element, uint32_t count, std::vector<Member> &mine) {
  const uint32_t size = members(), each = setup.workersEach;
  std::vector<uint64_t> begins;
  for (uint32_t m = 0; m <= size; ++m)
    begins.push_back(columns * m / size);
  for (Member &member : mine)
    member.nanos.assign(count, 0);
  workers->runEach([&](uint32_t worker) {
    const collective::Caller who = {own.first + worker / each, worker % each, each};
    Member &member = mine[worker / each];
    const uint64_t values = rows * columns;
    const uint64_t first = values * who.worker / each, last = values * (who.worker + 1) / each;
    fill(member.out.data(), element, first, last, 0);
    for (uint32_t round = 0; round < count; ++round) {
      std::byte *in = member.in[round % 2].data();
      fill(in, element, first, last, float(round));
      const Status ready = group->barrier(who);
      const uint64_t began = nowNanos();
      const Status done = ready.isOk() ? call(*group, who, what, in, member.out.data(), rows,
                                              columns, begins, element)
                                       : ready;
      const uint64_t took = nowNanos() - began;
      if (who.worker == 0) {
        member.nanos[round] = took;
        member.status = done;
      }
      if (!done.isOk())
        return; // Within a process it fails for all, between processes the job has failed.
    }
  });
  for (const Member &member : mine)
    TENON_RETURN_IF_ERROR(member.status);
  return Status::ok();
}

/// Rank 0's number.
StatusOr<uint32_t> CollectiveProbe::agreeOn(uint32_t rounds) {
  if (!setup.cluster)
    return rounds;
  std::vector<uint32_t> all(setup.cluster->size());
  TENON_RETURN_IF_ERROR(setup.cluster->gatherAll(std::as_bytes(std::span(&rounds, 1)),
                                                 reinterpret_cast<std::byte *>(all.data())));
  return all[0];
}

StatusOr<CollectiveTime> CollectiveProbe::measure(ProbedCollective what, uint64_t rows,
                                                  uint64_t columns, double seconds,
                                                  Element element) {
  std::vector<Member> mine(own.count);
  for (Member &member : mine)
    for (Arena *arena : {&member.in[0], &member.in[1], &member.out}) {
      auto made = Arena::map(rows * columns * bytesOf(element),
                             {.hugePages = true, .populate = false}, "a collective's rows");
      if (!made)
        return made.status();
      *arena = std::move(*made);
    }
  const Stopwatch watch;
  TENON_RETURN_IF_ERROR(rounds(what, rows, columns, element, kWarmUp, mine));
  const double each = watch.seconds() / kWarmUp; // The writing of inputs included.
  auto count = agreeOn(
      static_cast<uint32_t>(std::clamp(seconds / each, double(kWarmUp), double(kMostRounds))));
  if (!count)
    return count.status();
  TENON_RETURN_IF_ERROR(rounds(what, rows, columns, element, *count, mine));

  std::vector<uint64_t> slowest(*count, 0);
  for (const Member &member : mine)
    for (uint32_t round = 0; round < *count; ++round)
      slowest[round] = std::max(slowest[round], member.nanos[round]);
  if (setup.cluster) {
    std::vector<uint64_t> all(size_t(*count) * setup.cluster->size());
    TENON_RETURN_IF_ERROR(setup.cluster->gatherAll(std::as_bytes(std::span(slowest)),
                                                   reinterpret_cast<std::byte *>(all.data())));
    for (size_t i = 0; i < all.size(); ++i)
      slowest[i % *count] = std::max(slowest[i % *count], all[i]);
  }
  std::sort(slowest.begin(), slowest.end());
  const auto at = [&](size_t i) { return double(slowest[i]) * 1e-9; };
  return CollectiveTime{at(slowest.size() / 2), at(0), at(slowest.size() * 99 / 100), *count};
}

} // namespace tenon::tool
