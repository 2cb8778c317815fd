//===- RemoteOverlap.cpp - Rows on their way while chips compute ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/RemoteGroup.h"

#include <cstring>

namespace tenon::collective {

RowBlocks RemoteGroup::blocks(uint64_t rows, uint64_t block, RowBlocks::Order order) const {
  return {setup.ranks, cluster.rank(), rows, block, order};
}

Status RemoteGroup::checkOverlap(const Caller &who, uint64_t rows, uint64_t rowBytes,
                                 uint64_t block) const {
  TENON_RETURN_IF_ERROR(check(who));
  if (block == 0 || rows * rowBytes > setup.mostBytes || block * rowBytes > Transport::kMostBytes ||
      (size() + 1) * RowBlocks::most(rows, block, size()) > setup.overlappingMessages)
    return Status::invalidArgument(
        "rows that travel while chips compute, of a group that was not made for so many");
  return Status::ok();
}

Status RemoteGroup::beginReduceScatterRows(const Caller &who, const void *in, uint64_t rows,
                                           uint64_t columns, Element element, uint64_t block) {
  const uint64_t rowBytes = columns * bytesOf(element);
  TENON_RETURN_IF_ERROR(checkOverlap(who, rows, rowBytes, block));
  Member &own = here(who.member);
  Member::Worker &worker = own.each[who.worker];
  const uint32_t set = worker.entered & 1; // meet() will count it.
  if (who.worker == 0)
    own.offered[set] = in; // The leader reads it when this worker has done a block.
  worker.begun = true;
  if (!leads(who))
    return Status::ok();
  // Whoever sends goes block by block, and in a block member by member. This set was last read two
  // collectives ago.
  forOtherRanks([&](uint32_t rank) {
    RowBlocks mine = blocks(rows, block, RowBlocks::Order::OwnFirst);
    while (mine.next() && mine.isOwn())
      for (uint32_t m = 0; m < size(); ++m)
        if (setup.ranks[m] == rank)
          messages.receive(rank, setup.tag, arrival(m, set) + mine.first() * rowBytes,
                           mine.rowCount() * rowBytes);
  });
  outgoing = {blocks(rows, block, RowBlocks::Order::OwnLast), rowBytes,
              worker.blocks.load(std::memory_order_relaxed), 0, set};
  if (!outgoing.blocks->next() || outgoing.blocks->isOwn())
    outgoing.blocks.reset();
  return Status::ok();
}

void RemoteGroup::sendBlocks() {
  const auto isDone = [&](uint64_t blocks) {
    for (const Member &member : members)
      for (const Member::Worker &worker : member.each)
        if (worker.blocks.load(std::memory_order_acquire) < blocks)
          return false;
    return true;
  };
  while (outgoing.blocks && isDone(outgoing.before + outgoing.sent + 1)) {
    const RowBlocks &block = *outgoing.blocks;
    for (const Member &member : members)
      messages.send(setup.ranks[block.member()], setup.tag,
                    static_cast<const std::byte *>(member.offered[outgoing.set]) +
                        block.first() * outgoing.rowBytes,
                    block.rowCount() * outgoing.rowBytes);
    ++outgoing.sent;
    if (!outgoing.blocks->next() || outgoing.blocks->isOwn())
      outgoing.blocks.reset();
  }
}

Status RemoteGroup::blockDone(const Caller &who) {
  TENON_RETURN_IF_ERROR(check(who));
  here(who.member).each[who.worker].blocks.fetch_add(1, std::memory_order_release);
  if (!leads(who))
    return Status::ok();
  sendBlocks();
  return messages.isDone().status();
}

void RemoteGroup::postGather(uint64_t rows, uint64_t rowBytes, uint64_t block, uint32_t set) {
  RowBlocks coming = blocks(rows, block, RowBlocks::Order::OwnFirst);
  while (coming.next()) // First what is waited for: awaitBlock() counts them.
    if (!coming.isOwn())
      messages.receive(setup.ranks[coming.member()], setup.tag,
                       arrival(coming.member(), set) + coming.first() * rowBytes,
                       coming.rowCount() * rowBytes);
  RowBlocks own = blocks(rows, block, RowBlocks::Order::OwnFirst);
  while (own.next() && own.isOwn())
    forOtherRanks([&](uint32_t rank) {
      messages.send(rank, setup.tag,
                    static_cast<const std::byte *>(rowsOf(own.member(), set)) +
                        own.first() * rowBytes,
                    own.rowCount() * rowBytes);
    });
}

Status RemoteGroup::beginGatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes,
                                    uint64_t block) {
  TENON_RETURN_IF_ERROR(checkOverlap(who, rows, rowBytes, block));
  Member &own = here(who.member);
  Member::Worker &worker = own.each[who.worker];
  const uint32_t set = worker.entered++ & 1;
  if (who.worker == 0)
    own.offered[set] = data;
  worker.awaited = blocks(rows, block, RowBlocks::Order::OwnFirst);
  worker.arrived = 0;
  worker.into = static_cast<std::byte *>(data);
  worker.rowBytes = rowBytes;
  if (!all->arriveAndWait())
    return failure();
  if (leads(who))
    postGather(rows, rowBytes, block, set);
  if (members.size() == 1)
    return Status::ok();
  for (uint32_t m = firstHere; m < firstHere + members.size(); ++m) {
    if (m == who.member)
      continue;
    const Share share = rowsOfMember(rows, m, size()), mine(share.count() * rowBytes, who);
    const uint64_t at = share.first * rowBytes + mine.first;
    std::memcpy(worker.into + at, static_cast<const std::byte *>(rowsOf(m, set)) + at,
                mine.count());
  }
  return own.workers->arriveAndWait() ? Status::ok() : failure();
}

Status RemoteGroup::awaitBlock(const Caller &who) {
  TENON_RETURN_IF_ERROR(check(who));
  Member::Worker &worker = here(who.member).each[who.worker];
  do
    if (!worker.awaited || !worker.awaited->next())
      return Status::invalidArgument("a worker waits for a block of rows that nobody sends");
  while (worker.awaited->isOwn());
  ++worker.arrived;
  if (leads(who))
    exchanged = messages.waitForFirst(worker.arrived);
  if (!all->arriveAndWait())
    return failure();
  TENON_RETURN_IF_ERROR(exchanged);
  const RowBlocks &block = *worker.awaited;
  const uint32_t set = (worker.entered - 1) & 1;
  const Share share(block.rowCount() * worker.rowBytes, who);
  const uint64_t at = block.first() * worker.rowBytes + share.first;
  std::memcpy(worker.into + at, arrival(block.member(), set) + at, share.count());
  return all->arriveAndWait() ? Status::ok() : failure();
}

Status RemoteGroup::endGatherRows(const Caller &who) {
  TENON_RETURN_IF_ERROR(check(who));
  here(who.member).each[who.worker].awaited.reset();
  if (leads(who))
    exchanged = messages.wait();
  return all->arriveAndWait() ? exchanged : failure();
}

} // namespace tenon::collective
