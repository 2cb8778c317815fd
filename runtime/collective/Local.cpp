//===- Local.cpp - Chips of one process -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Local.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

namespace tenon::collective {

namespace {
/// The rows or bytes of a worker (Collective.h, "rows").
struct Share {
  uint64_t first, last;
  Share(uint64_t items, const Caller &who)
      : first(items * who.worker / who.workers), last(items * (who.worker + 1) / who.workers) {}
};

// The runtime is built for any processor of its kind; sums are worth the widest vectors there are.
#if defined(__x86_64__)
#define TENON_WIDEST_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TENON_WIDEST_VECTORS
#endif

/// out = first + second, or with `accumulate` out += that. Nothing overlaps.
TENON_WIDEST_VECTORS
void sumOfTwo(float *__restrict out, const float *__restrict first, const float *__restrict second,
              uint64_t count, bool accumulate) {
  if (accumulate)
    for (uint64_t i = 0; i < count; ++i)
      out[i] += first[i] + second[i];
  else
    for (uint64_t i = 0; i < count; ++i)
      out[i] = first[i] + second[i];
}

/// sum += values.
TENON_WIDEST_VECTORS
void addTo(float *__restrict sum, const float *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    sum[i] += values[i];
}

/// Adds `count` values of each of `parts` in order into `out`.
void sumInOrder(float *out, uint64_t count, uint32_t parts, bool accumulate, const auto &part) {
  if (parts == 2)
    return sumOfTwo(out, part(0), part(1), count, accumulate);
  // Blocks that stay in the first cache, so that `out` is not fetched again for every part.
  constexpr uint64_t kBlock = 1024;
  for (uint64_t at = 0; at < count; at += kBlock) {
    const uint64_t n = std::min(kBlock, count - at);
    float sum[kBlock];
    std::memcpy(sum, part(0) + at, n * sizeof(float));
    for (uint32_t p = 1; p < parts; ++p)
      addTo(sum, part(p) + at, n);
    if (accumulate)
      addTo(out + at, sum, n);
    else
      std::memcpy(out + at, sum, n * sizeof(float));
  }
}
} // namespace

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

uint32_t LocalGroup::enter(const Caller &who, const void *data, float *into) {
  const uint32_t set = counts[firstWorker[who.member] + who.worker].entered++ & 1;
  if (who.worker == 0) {
    offers[who.member].data[set] = data;
    offers[who.member].into[set] = into;
  }
  all.arriveAndWait();
  return set;
}

Status LocalGroup::allReduce(const Caller &who, const float *in, float *out, uint64_t rows,
                             uint64_t columns, bool accumulate) {
  TENON_RETURN_IF_ERROR(check(who));
  const uint32_t set = enter(who, in);
  const Share share(rows, who);
  const uint64_t at = share.first * columns;
  sumInOrder(out + at, (share.last - share.first) * columns, size(), accumulate,
             [&](uint32_t member) { return offered(member, set) + at; });
  return Status::ok();
}

/// Copies values [first, last) of a member's [rows, columns] to where they belong in rows of `width`.
static void placeColumns(const float *in, float *out, uint64_t columns, uint64_t width,
                         uint64_t first, uint64_t last) {
  for (uint64_t at = first; at < last;) {
    const uint64_t row = at / columns, column = at % columns;
    const uint64_t count = std::min(columns - column, last - at);
    std::memcpy(out + row * width + column, in + at, count * sizeof(float));
    at += count;
  }
}

Status LocalGroup::gatherColumns(const Caller &who, const float *in, float *out, uint64_t rows,
                                 std::span<const uint64_t> begins) {
  TENON_RETURN_IF_ERROR(check(who));
  const uint32_t set = enter(who, in, out);
  const auto columnsOf = [&](uint32_t member) { return begins[member + 1] - begins[member]; };
  const auto wants = [&](const Offer &offer) { return offer.into[set] != nullptr; };
  if (std::count_if(offers.begin(), offers.end(), wants) == 1) {
    // Rows of logits for one member are long: those who have them carry them, each its own.
    const auto root = std::find_if(offers.begin(), offers.end(), wants);
    const Share share(rows * columnsOf(who.member), who);
    placeColumns(in, root->into[set] + begins[who.member], columnsOf(who.member), begins.back(),
                 share.first, share.last);
    all.arriveAndWait();
    return Status::ok();
  }
  const Share share(rows, who);
  for (uint32_t member = 0; out && member < size(); ++member)
    placeColumns(offered(member, set), out + begins[member], columnsOf(member), begins.back(),
                 share.first * columnsOf(member), share.last * columnsOf(member));
  return Status::ok();
}

Status LocalGroup::reduceScatterColumns(const Caller &who, const float *in, float *out,
                                        uint64_t rows, std::span<const uint64_t> begins) {
  TENON_RETURN_IF_ERROR(check(who));
  const uint32_t set = enter(who, in);
  const Share share(rows, who);
  const uint64_t first = begins[who.member], columns = begins[who.member + 1] - first;
  for (uint64_t row = share.first; row < share.last; ++row)
    sumInOrder(out + row * columns, columns, size(), false,
               [&](uint32_t member) { return offered(member, set) + row * begins.back() + first; });
  return Status::ok();
}

Status LocalGroup::broadcast(const Caller &who, void *data, uint64_t bytes, uint32_t root) {
  TENON_RETURN_IF_ERROR(check(who));
  const uint32_t set = enter(who, data);
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
  c.sender.arriveAndWait(); // What all workers wrote is there; and all have read `before`.
  if (who.worker == 0) {
    c.data.store(data, std::memory_order_relaxed);
    c.sent.publish(before + 1);
  }
  c.taken.waitWhile(before, policy);
  return Status::ok();
}

Status LocalGroup::receive(const Caller &who, void *data, uint64_t bytes, uint32_t from) {
  TENON_RETURN_IF_ERROR(check(who));
  if (from >= size() || from == who.member)
    return Status::invalidArgument("a chip receives from another chip of its group");
  Channel &c = channel(from, who.member);
  c.receiver.arriveAndWait(); // Worker 0 has published the last message's taking.
  const uint32_t before = c.taken.load();
  c.sent.waitWhile(before, policy);
  const Share share(bytes, who);
  std::memcpy(static_cast<std::byte *>(data) + share.first,
              static_cast<const std::byte *>(c.data.load(std::memory_order_relaxed)) + share.first,
              share.last - share.first);
  c.receiver.arriveAndWait();
  if (who.worker == 0)
    c.taken.publish(before + 1);
  return Status::ok();
}

Status LocalGroup::barrier(const Caller &who) {
  TENON_RETURN_IF_ERROR(check(who));
  all.arriveAndWait();
  return Status::ok();
}

} // namespace tenon::collective
