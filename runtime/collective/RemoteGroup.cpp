//===- RemoteGroup.cpp - Chips of several processes -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/RemoteGroup.h"

#include "runtime/collective/SumInOrder.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace tenon::collective {

RemoteGroup::RemoteGroup(Cluster &c, Setup s)
    : cluster(c), setup(std::move(s)),
      messages(c, 2 * setup.ranks.size() * setup.ranks.size() + setup.overlappingMessages) {
  while (firstHere < size() && !isHere(firstHere))
    ++firstHere;
  for (uint32_t threads : setup.workers) {
    members.emplace_back();
    members.back().each = std::vector<Member::Worker>(threads);
    members.back().workers = std::make_unique<SpinBarrier>(threads, setup.policy);
    members.back().messages = std::make_unique<MessageBatch>(c, 4);
  }
  all = std::make_unique<SpinBarrier>(
      std::accumulate(setup.workers.begin(), setup.workers.end(), 0u), setup.policy);
}

uint64_t RemoteGroup::bufferBytes(const Cluster &cluster, const Setup &setup) {
  const auto elsewhere =
      static_cast<uint64_t>(std::count_if(setup.ranks.begin(), setup.ranks.end(),
                                          [&](uint32_t rank) { return rank != cluster.rank(); }));
  return elsewhere * ((setup.mostBytes + 63) / 64 * 64) * (setup.overlappingMessages ? 2 : 1);
}

StatusOr<std::unique_ptr<RemoteGroup>> RemoteGroup::create(Cluster &cluster, Setup setup) {
  const auto own = std::count(setup.ranks.begin(), setup.ranks.end(), cluster.rank());
  if (own == 0 || size_t(own) != setup.workers.size() ||
      std::find(setup.workers.begin(), setup.workers.end(), 0u) != setup.workers.end() ||
      !std::is_sorted(setup.ranks.begin(), setup.ranks.end()) ||
      setup.ranks.back() >= cluster.size())
    return Status::invalidArgument(
        "a group of chips needs a worker for every member of this process, ranks in order, and "
        "ranks that exist");
  const uint64_t bytes = bufferBytes(cluster, setup);
  std::vector<uint32_t> workers = setup.workers;
  const SpinPolicy policy = setup.policy;
  std::unique_ptr<RemoteGroup> group(new RemoteGroup(cluster, std::move(setup)));
  auto buffer = Arena::map(bytes, {.hugePages = true, .populate = true}, "what other ranks send");
  if (!buffer)
    return buffer.status();
  group->arrivals = std::move(*buffer);
  if (workers.size() > 1) {
    auto local = LocalGroup::create(std::move(workers), policy);
    if (!local)
      return local.status();
    group->local = std::move(*local);
  }
  return group;
}

Status RemoteGroup::check(const Caller &who) const {
  if (who.member < size() && isHere(who.member) && who.worker < who.workers &&
      who.workers == setup.workers[who.member - firstHere])
    return Status::ok();
  return Status::invalidArgument(
      "worker " + std::to_string(who.worker) + " of " + std::to_string(who.workers) + " on chip " +
      std::to_string(who.member) + " does not belong to the group's part in this process");
}

Status RemoteGroup::failure() const {
  Status why = cluster.failure();
  return why.isOk() ? Status(StatusCode::Cancelled, "another worker failed") : why;
}

std::byte *RemoteGroup::arrival(uint32_t member, uint32_t set) const {
  uint64_t slot = member < firstHere ? member : member - members.size();
  if (setup.overlappingMessages)
    slot += set * (size() - members.size());
  return arrivals.data() + slot * ((setup.mostBytes + 63) / 64 * 64);
}

const void *RemoteGroup::rowsOf(uint32_t member, uint32_t set) const {
  return isHere(member) ? members[member - firstHere].offered[set] : arrival(member, set);
}

template <typename Exchange>
Status RemoteGroup::meet(const Caller &who, const void *data, uint32_t &set,
                         const Exchange &exchange) {
  TENON_RETURN_IF_ERROR(check(who));
  Member &own = here(who.member);
  set = own.each[who.worker].entered++ & 1;
  if (who.worker == 0)
    own.offered[set] = data;
  if (!all->arriveAndWait())
    return failure();
  // Behind the barrier nobody reads the last collective's arrivals any more.
  if (leads(who)) {
    exchange();
    exchanged = messages.wait();
  }
  if (!all->arriveAndWait())
    return failure();
  return exchanged;
}

Status RemoteGroup::exchangeRows(const Caller &who, const void *in, uint64_t bytes, uint32_t &set) {
  if (bytes > setup.mostBytes)
    return Status::invalidArgument("a collective with more rows than the group was made for");
  return meet(who, in, set, [&] {
    for (uint32_t m = 0; m < size(); ++m)
      if (!isHere(m))
        messages.receive(setup.ranks[m], setup.tag, arrival(m, set), bytes);
      else
        forOtherRanks(
            [&](uint32_t rank) { messages.send(rank, setup.tag, rowsOf(m, set), bytes); });
  });
}

Status RemoteGroup::allReduce(const Caller &who, const void *in, void *out, uint64_t rows,
                              uint64_t columns, Addition how) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(exchangeRows(who, in, rows * columns * bytesOf(how.in), set));
  const Share share(rows, who);
  const uint64_t at = share.first * columns;
  sumInOrder(advanced(out, at, how.out), share.count() * columns, size(), how,
             [&](uint32_t member) { return advanced(rowsOf(member, set), at, how.in); });
  return Status::ok();
}

Status RemoteGroup::gatherColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                                  std::span<const uint64_t> begins, uint32_t root,
                                  Element element) {
  if (rows * begins.back() * bytesOf(element) > setup.mostBytes ||
      (root != kEveryone && root >= size()))
    return Status::invalidArgument("a collective with more rows than the group was made for, or "
                                   "without its root");
  const auto bytesFrom = [&](uint32_t m) {
    return rows * (begins[m + 1] - begins[m]) * bytesOf(element);
  };
  const auto gets = [&](uint32_t rank) { return root == kEveryone || setup.ranks[root] == rank; };
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(meet(who, in, set, [&] {
    for (uint32_t m = 0; m < size(); ++m)
      if (isHere(m))
        forOtherRanks([&](uint32_t rank) {
          if (gets(rank))
            messages.send(rank, setup.tag, rowsOf(m, set), bytesFrom(m));
        });
      else if (gets(cluster.rank()))
        messages.receive(setup.ranks[m], setup.tag, arrival(m, set), bytesFrom(m));
  }));
  if (root != kEveryone && root != who.member)
    return Status::ok();
  const Share share(rows, who);
  for (uint32_t m = 0; m < size(); ++m) {
    const uint64_t columns = begins[m + 1] - begins[m];
    for (uint64_t row = share.first; row < share.last; ++row)
      std::memcpy(advanced(out, row * begins.back() + begins[m], element),
                  advanced(rowsOf(m, set), row * columns, element), columns * bytesOf(element));
  }
  return Status::ok();
}

Status RemoteGroup::reduceScatterColumns(const Caller &who, const void *in, void *out,
                                         uint64_t rows, std::span<const uint64_t> begins,
                                         Addition how) {
  // Whole rows travel, also the columns that the other end does not sum: no plan scatters columns,
  // and packing would take a buffer of every member's own rows.
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(exchangeRows(who, in, rows * begins.back() * bytesOf(how.in), set));
  const Share share(rows, who);
  const uint64_t first = begins[who.member], columns = begins[who.member + 1] - first;
  for (uint64_t row = share.first; row < share.last; ++row)
    sumInOrder(advanced(out, row * columns, how.out), columns, size(), how, [&](uint32_t member) {
      return advanced(rowsOf(member, set), row * begins.back() + first, how.in);
    });
  return Status::ok();
}

/// Rows of the members of `rank`, who are neighbours.
Share RemoteGroup::rowsOfRank(uint64_t rows, uint32_t rank) const {
  const auto first = std::lower_bound(setup.ranks.begin(), setup.ranks.end(), rank);
  const auto last = std::upper_bound(first, setup.ranks.end(), rank);
  Share share = rowsOfMember(rows, static_cast<uint32_t>(first - setup.ranks.begin()), size());
  share.last =
      rowsOfMember(rows, static_cast<uint32_t>(last - setup.ranks.begin()) - 1, size()).last;
  return share;
}

Status RemoteGroup::reduceScatterRows(const Caller &who, const void *in, void *out, uint64_t rows,
                                      uint64_t columns, Addition how) {
  const uint64_t rowBytes = columns * bytesOf(how.in);
  if (rows * rowBytes > setup.mostBytes)
    return Status::invalidArgument("a collective with more rows than the group was made for");
  TENON_RETURN_IF_ERROR(check(who));
  bool &begun = here(who.member).each[who.worker].begun;
  uint32_t set = 0;
  // Each rank gets the rows that its members add up, from everybody; they lie where they do at
  // home.
  TENON_RETURN_IF_ERROR(meet(who, in, set, [&] {
    if (begun) // They are on their way; of the last blocks this barrier has shown that they are
               // done.
      return sendBlocks();
    const Share own = rowsOfRank(rows, cluster.rank());
    for (uint32_t m = 0; m < size(); ++m)
      if (!isHere(m))
        messages.receive(setup.ranks[m], setup.tag, arrival(m, set) + own.first * rowBytes,
                         own.count() * rowBytes);
      else
        forOtherRanks([&](uint32_t rank) {
          const Share wanted = rowsOfRank(rows, rank);
          messages.send(rank, setup.tag,
                        static_cast<const std::byte *>(rowsOf(m, set)) + wanted.first * rowBytes,
                        wanted.count() * rowBytes);
        });
  }));
  begun = false;
  const Share share = rowsOfWorker(rows, who, size());
  const uint64_t at = share.first * columns;
  sumInOrder(advanced(out, at, how.out), share.count() * columns, size(), how,
             [&](uint32_t member) { return advanced(rowsOf(member, set), at, how.in); });
  return Status::ok();
}

Status RemoteGroup::gatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes) {
  if (rows * rowBytes > setup.mostBytes)
    return Status::invalidArgument("a collective with more rows than the group was made for");
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(meet(who, data, set, [&] {
    for (uint32_t m = 0; m < size(); ++m) {
      const Share own = rowsOfMember(rows, m, size());
      const uint64_t at = own.first * rowBytes, bytes = own.count() * rowBytes;
      if (!isHere(m))
        messages.receive(setup.ranks[m], setup.tag, arrival(m, set) + at, bytes);
      else
        forOtherRanks([&](uint32_t rank) {
          messages.send(rank, setup.tag, static_cast<const std::byte *>(rowsOf(m, set)) + at,
                        bytes);
        });
    }
  }));
  for (uint32_t m = 0; m < size(); ++m) {
    if (m == who.member)
      continue;
    const Share all = rowsOfMember(rows, m, size()), mine(all.count() * rowBytes, who);
    const uint64_t at = all.first * rowBytes + mine.first;
    std::memcpy(static_cast<std::byte *>(data) + at,
                static_cast<const std::byte *>(rowsOf(m, set)) + at, mine.count());
  }
  return Status::ok();
}

Status RemoteGroup::broadcast(const Caller &who, void *data, uint64_t bytes, uint32_t root) {
  if (root >= size())
    return Status::invalidArgument("a broadcast from a chip that the group does not have");
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(meet(who, data, set, [&] {
    if (isHere(root))
      forOtherRanks(
          [&](uint32_t rank) { messages.send(rank, setup.tag, rowsOf(root, set), bytes); });
    else
      messages.receive(setup.ranks[root], setup.tag, data, bytes);
  }));
  const uint32_t source = isHere(root) ? root : firstHere;
  if (who.member != source) {
    const Share share(bytes, who);
    std::memcpy(static_cast<std::byte *>(data) + share.first,
                static_cast<const std::byte *>(rowsOf(source, set)) + share.first,
                share.last - share.first);
  }
  // What the first member received is its own to change when it returns.
  return all->arriveAndWait() ? Status::ok() : failure();
}

Status RemoteGroup::send(const Caller &who, const void *data, uint64_t bytes, uint32_t to) {
  TENON_RETURN_IF_ERROR(check(who));
  if (to >= size() || to == who.member)
    return Status::invalidArgument("a chip sends to another chip of its group");
  if (isHere(to))
    return local->send({who.member - firstHere, who.worker, who.workers}, data, bytes,
                       to - firstHere);
  Member &own = here(who.member);
  if (!own.workers->arriveAndWait())
    return failure();
  if (who.worker == 0) {
    own.messages->send(setup.ranks[to], setup.tag + 1 + static_cast<int>(who.member * size() + to),
                       data, bytes);
    own.exchanged = own.messages->wait();
  }
  return own.workers->arriveAndWait() ? own.exchanged : failure();
}

Status RemoteGroup::receive(const Caller &who, void *data, uint64_t bytes, uint32_t from) {
  TENON_RETURN_IF_ERROR(check(who));
  if (from >= size() || from == who.member)
    return Status::invalidArgument("a chip receives from another chip of its group");
  if (isHere(from))
    return local->receive({who.member - firstHere, who.worker, who.workers}, data, bytes,
                          from - firstHere);
  Member &own = here(who.member);
  if (!own.workers->arriveAndWait()) // What they did with `data` before is done.
    return failure();
  if (who.worker == 0) {
    own.messages->receive(setup.ranks[from],
                          setup.tag + 1 + static_cast<int>(from * size() + who.member), data,
                          bytes);
    own.exchanged = own.messages->wait();
  }
  return own.workers->arriveAndWait() ? own.exchanged : failure();
}

Status RemoteGroup::barrier(const Caller &who) {
  const std::byte out{};
  std::byte in{};
  uint32_t set = 0;
  return meet(who, nullptr, set, [&] {
    forOtherRanks([&](uint32_t rank) {
      messages.receive(rank, setup.tag, &in, sizeof(in));
      messages.send(rank, setup.tag, &out, sizeof(out));
    });
  });
}

void RemoteGroup::abort(const Status &why) {
  cluster.fail(why); // Whoever waits for a message sees it, here and elsewhere.
  all->breakUp();
  for (const Member &member : members)
    member.workers->breakUp();
  if (local)
    local->abort(why);
}

} // namespace tenon::collective
