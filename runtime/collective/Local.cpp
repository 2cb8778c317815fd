//===- Local.cpp - Chips of one process -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Local.h"

#include "runtime/collective/SumInOrder.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

namespace tenon::collective {

LocalGroup::LocalGroup(std::vector<uint32_t> w, SpinPolicy p)
    : workers(std::move(w)), policy(p),
      all(std::accumulate(workers.begin(), workers.end(), 0u), policy), offers(workers.size()) {
  for (uint32_t before = 0; uint32_t count : workers) {
    firstWorker.push_back(before);
    before += count;
  }
  counts.resize(firstWorker.back() + workers.back());
  for (uint32_t from : workers)
    for (uint32_t to : workers)
      channels.push_back(std::make_unique<Channel>(from, to, policy));
}

StatusOr<std::unique_ptr<LocalGroup>> LocalGroup::create(std::vector<uint32_t> workers,
                                                         SpinPolicy policy) {
  if (workers.empty())
    return Status::invalidArgument("a group of chips needs at least one member");
  if (std::find(workers.begin(), workers.end(), 0u) != workers.end())
    return Status::invalidArgument("every chip of a group needs at least one worker");
  return std::unique_ptr<LocalGroup>(new LocalGroup(std::move(workers), policy));
}

Status LocalGroup::check(const Caller &who) const {
  if (who.member < workers.size() && who.workers == workers[who.member] && who.worker < who.workers)
    return Status::ok();
  return Status::invalidArgument("worker " + std::to_string(who.worker) + " of " +
                                 std::to_string(who.workers) + " on chip " +
                                 std::to_string(who.member) + " does not belong to the group");
}

Status LocalGroup::reason() const {
  const std::lock_guard lock(mutex);
  return why;
}

void LocalGroup::abort(const Status &status) {
  {
    const std::lock_guard lock(mutex);
    if (stopped)
      return;
    why = status;
    stopped.store(true, std::memory_order_seq_cst);
  }
  all.breakUp();
  for (const auto &c : channels) {
    c->sender.breakUp();
    c->receiver.breakUp();
    c->sent.disturb();
    c->taken.disturb();
  }
}

Status LocalGroup::enter(const Caller &who, const void *data, uint32_t &set, void *into) {
  TENON_RETURN_IF_ERROR(check(who));
  set = counts[firstWorker[who.member] + who.worker].entered++ & 1;
  if (who.worker == 0) {
    offers[who.member].data[set] = data;
    offers[who.member].into[set] = into;
  }
  return all.arriveAndWait() ? Status::ok() : reason();
}

Status LocalGroup::allReduce(const Caller &who, const void *in, void *out, uint64_t rows,
                             uint64_t columns, Addition how) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, in, set));
  const Share share(rows, who);
  const uint64_t at = share.first * columns;
  sumInOrder(advanced(out, at, how.out), share.count() * columns, size(), how,
             [&](uint32_t member) { return advanced(offered(member, set), at, how.in); });
  return Status::ok();
}

/// Copies bytes [first, last) of a member's [rows, bytes] to where they belong in rows of `width`
/// bytes.
static void placeColumns(const void *in, std::byte *out, uint64_t bytes, uint64_t width,
                         uint64_t first, uint64_t last) {
  for (uint64_t at = first; at < last;) {
    const uint64_t row = at / bytes, column = at % bytes;
    const uint64_t count = std::min(bytes - column, last - at);
    std::memcpy(out + row * width + column, static_cast<const std::byte *>(in) + at, count);
    at += count;
  }
}

Status LocalGroup::gatherColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                                 std::span<const uint64_t> begins, uint32_t root, Element element) {
  if (root != kEveryone && root >= size())
    return Status::invalidArgument("the root of a gather is a chip of the group");
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, in, set, out));
  const auto bytesOfPart = [&](uint32_t member) {
    return (begins[member + 1] - begins[member]) * bytesOf(element);
  };
  const uint64_t width = begins.back() * bytesOf(element);
  if (root != kEveryone) {
    // Rows of logits for one member are long: those who have them carry them, each its own.
    const Share share(rows * bytesOfPart(who.member), who);
    placeColumns(in, advanced(offers[root].into[set], begins[who.member], element),
                 bytesOfPart(who.member), width, share.first, share.last);
    return all.arriveAndWait() ? Status::ok() : reason();
  }
  const Share share(rows, who);
  for (uint32_t member = 0; member < size(); ++member)
    placeColumns(offered(member, set), advanced(out, begins[member], element), bytesOfPart(member),
                 width, share.first * bytesOfPart(member), share.last * bytesOfPart(member));
  return Status::ok();
}

Status LocalGroup::reduceScatterColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                                        std::span<const uint64_t> begins, Addition how) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, in, set));
  const Share share(rows, who);
  const uint64_t first = begins[who.member], columns = begins[who.member + 1] - first;
  for (uint64_t row = share.first; row < share.last; ++row)
    sumInOrder(advanced(out, row * columns, how.out), columns, size(), how, [&](uint32_t member) {
      return advanced(offered(member, set), row * begins.back() + first, how.in);
    });
  return Status::ok();
}

Status LocalGroup::reduceScatterRows(const Caller &who, const void *in, void *out, uint64_t rows,
                                     uint64_t columns, Addition how) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, in, set));
  const Share share = rowsOfWorker(rows, who, size());
  const uint64_t at = share.first * columns;
  sumInOrder(advanced(out, at, how.out), share.count() * columns, size(), how,
             [&](uint32_t member) { return advanced(offered(member, set), at, how.in); });
  return Status::ok();
}

Status LocalGroup::gatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, data, set));
  for (uint32_t member = 0; member < size(); ++member) {
    if (member == who.member)
      continue;
    const Share all = rowsOfMember(rows, member, size()), mine(all.count() * rowBytes, who);
    const uint64_t at = all.first * rowBytes + mine.first;
    std::memcpy(static_cast<std::byte *>(data) + at,
                static_cast<const std::byte *>(offered(member, set)) + at, mine.count());
  }
  return Status::ok();
}

Status LocalGroup::broadcast(const Caller &who, void *data, uint64_t bytes, uint32_t root) {
  uint32_t set = 0;
  TENON_RETURN_IF_ERROR(enter(who, data, set));
  if (who.member == root)
    return Status::ok();
  const Share share(bytes, who);
  std::memcpy(static_cast<std::byte *>(data) + share.first,
              static_cast<const std::byte *>(offers[root].data[set]) + share.first,
              share.last - share.first);
  return Status::ok();
}

Status LocalGroup::send(const Caller &who, const void *data, uint64_t bytes, uint32_t to) {
  TENON_RETURN_IF_ERROR(check(who));
  if (to >= size() || to == who.member)
    return Status::invalidArgument("a chip sends to another chip of its group");
  Channel &c = channel(who.member, to);
  const uint32_t before = c.sent.load();
  // What all workers wrote is there; and all have read `before`.
  if (!c.sender.arriveAndWait())
    return reason();
  if (who.worker == 0) {
    c.data.store(data, std::memory_order_relaxed);
    c.sent.publish(before + 1);
  }
  if (aborted())
    return reason();
  c.taken.waitWhile(before, policy);
  return aborted() ? reason() : Status::ok();
}

Status LocalGroup::receive(const Caller &who, void *data, uint64_t bytes, uint32_t from) {
  TENON_RETURN_IF_ERROR(check(who));
  if (from >= size() || from == who.member)
    return Status::invalidArgument("a chip receives from another chip of its group");
  Channel &c = channel(from, who.member);
  if (!c.receiver.arriveAndWait()) // Worker 0 has published the last message's taking.
    return reason();
  const uint32_t before = c.taken.load();
  if (aborted())
    return reason();
  c.sent.waitWhile(before, policy);
  if (aborted())
    return reason();
  const Share share(bytes, who);
  std::memcpy(static_cast<std::byte *>(data) + share.first,
              static_cast<const std::byte *>(c.data.load(std::memory_order_relaxed)) + share.first,
              share.last - share.first);
  if (!c.receiver.arriveAndWait())
    return reason();
  if (who.worker == 0)
    c.taken.publish(before + 1);
  return Status::ok();
}

Status LocalGroup::barrier(const Caller &who) {
  TENON_RETURN_IF_ERROR(check(who));
  return all.arriveAndWait() ? Status::ok() : reason();
}

} // namespace tenon::collective
