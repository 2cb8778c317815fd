//===- RemoteGroup.h - Chips of several processes ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_REMOTEGROUP_H
#define TENON_RUNTIME_COLLECTIVE_REMOTEGROUP_H

#include "runtime/base/Arena.h"
#include "runtime/base/SpinBarrier.h"
#include "runtime/collective/Cluster.h"
#include "runtime/collective/Collective.h"
#include "runtime/collective/Local.h"
#include "runtime/collective/Overlapping.h"
#include "runtime/collective/SumInOrder.h"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace tenon::collective {

/// A group of which this process has some members and other processes the rest. Members of this
/// process read each other's inputs where they lie; those of others are fetched into a buffer
/// first. From there on everything is as in LocalGroup, sums included, so that both give the same
/// bits. Workers of members elsewhere may be any number.
class RemoteGroup final : public Group, private OverlappingGroup {
public:
  struct Setup {
    std::vector<uint32_t> ranks;   ///< Of each member; ascending.
    std::vector<uint32_t> workers; ///< Of each member of this process, in order.
    int tag = Tag::Groups;         ///< First of tagsOf(members) that no other group uses.
    uint64_t mostBytes =
        0; ///< Of a collective's widest operand: rows * all columns * bytes of an element.
    SpinPolicy policy;
    /// Messages of a collective that overlaps with compute, at most; 0: none does. Arrivals take
    /// twice the memory then.
    uint64_t overlappingMessages = 0;
  };
  static int tagsOf(size_t members) { return static_cast<int>(members * members) + 1; }

  /// ResourceExhausted if there is no memory for what others send: bufferBytes().
  static StatusOr<std::unique_ptr<RemoteGroup>> create(Cluster &cluster, Setup setup);
  static uint64_t bufferBytes(const Cluster &cluster, const Setup &setup);

  uint32_t size() const override { return static_cast<uint32_t>(setup.ranks.size()); }
  Status allReduce(const Caller &who, const void *in, void *out, uint64_t rows, uint64_t columns,
                   Addition how = {}) override;
  Status gatherColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                       std::span<const uint64_t> begins, uint32_t root = kEveryone,
                       Element element = Element::F32) override;
  Status reduceScatterColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                              std::span<const uint64_t> begins, Addition how = {}) override;
  Status broadcast(const Caller &who, void *data, uint64_t bytes, uint32_t root) override;
  Status send(const Caller &who, const void *data, uint64_t bytes, uint32_t to) override;
  Status receive(const Caller &who, void *data, uint64_t bytes, uint32_t from) override;
  Status barrier(const Caller &who) override;
  Status reduceScatterRows(const Caller &who, const void *in, void *out, uint64_t rows,
                           uint64_t columns, Addition how = {}) override;
  Status gatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes) override;
  OverlappingGroup *overlapping() override { return setup.overlappingMessages ? this : nullptr; }
  void abort(const Status &why) override;

private:
  RemoteGroup(Cluster &cluster, Setup setup);

  /// A member of this process.
  struct Member {
    /// Two sets, used in turn: a worker may be in the next collective while another still reads.
    const void *offered[2] = {};
    struct alignas(64) Worker {
      uint32_t entered = 0; ///< Collectives.
      bool begun = false;   ///< The next one is a reduceScatterRows whose rows are on their way.
      std::atomic<uint64_t> blocks{0}; ///< Done, of all overlapping collectives.
      std::optional<RowBlocks>
          awaited; ///< Where it is in a gather, and how many blocks of others it has had.
      size_t arrived = 0;
      std::byte *into = nullptr; ///< Of the gather.
      uint64_t rowBytes = 0;
    };
    std::vector<Worker> each; ///< By worker.
    std::unique_ptr<SpinBarrier> workers;
    std::unique_ptr<MessageBatch> messages; ///< For send() and receive().
    Status exchanged;                       ///< Of the last of those.
  };
  bool isHere(uint32_t member) const { return setup.ranks[member] == cluster.rank(); }
  Member &here(uint32_t member) { return members[member - firstHere]; }
  bool leads(const Caller &who) const { return who.member == firstHere && who.worker == 0; }
  /// Where the rows of a member of another process arrive. One set where nothing overlaps; two
  /// else, so that rows of a collective arrive while workers still read those of the one before.
  std::byte *arrival(uint32_t member, uint32_t set) const;
  /// The rows of any member, once fetched.
  const void *rowsOf(uint32_t member, uint32_t set) const;

  Status check(const Caller &who) const;
  /// What it returns is the same for all workers here: they leave a failed collective together.
  /// `exchange` is called by one of them when all have offered `data`, in `set`, and posts
  /// messages.
  template <typename Exchange>
  Status meet(const Caller &who, const void *data, uint32_t &set, const Exchange &exchange);
  /// Everybody's `bytes` of rows to everybody.
  Status exchangeRows(const Caller &who, const void *in, uint64_t bytes, uint32_t &set);
  Share rowsOfRank(uint64_t rows, uint32_t rank) const;
  template <typename Visit> void forOtherRanks(const Visit &visit) const {
    uint32_t last = cluster.rank(); // Members of a rank are neighbours.
    for (uint32_t rank : setup.ranks)
      if (rank != cluster.rank() && rank != last)
        visit(last = rank);
  }
  Status failure() const;

  RowBlocks blocks(uint64_t rows, uint64_t block, RowBlocks::Order order) const override;
  Status beginReduceScatterRows(const Caller &who, const void *in, uint64_t rows, uint64_t columns,
                                Element element, uint64_t block) override;
  Status blockDone(const Caller &who) override;
  Status beginGatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes,
                         uint64_t block) override;
  Status awaitBlock(const Caller &who) override;
  Status endGatherRows(const Caller &who) override;
  Status checkOverlap(const Caller &who, uint64_t rows, uint64_t rowBytes, uint64_t block) const;
  void postGather(uint64_t rows, uint64_t rowBytes, uint64_t block, uint32_t set);
  /// Posts what all workers here have computed.
  void sendBlocks();

  Cluster &cluster;
  const Setup setup;
  uint32_t firstHere = 0;
  std::vector<Member> members;       ///< Of this process.
  std::unique_ptr<SpinBarrier> all;  ///< Of their workers.
  std::unique_ptr<LocalGroup> local; ///< For send() and receive() between them; null for one.
  MessageBatch messages;             ///< The leader's.
  Status exchanged;                  ///< Of the last meet().
  Arena arrivals;                    ///< `mostBytes` for each member elsewhere, of each set.
  /// The leader's, of a sum that has begun: the blocks that others wait for.
  struct Outgoing {
    std::optional<RowBlocks> blocks; ///< At the one to be sent next; empty when all are.
    uint64_t rowBytes = 0, before = 0,
             sent = 0; ///< `before`: blocks that workers had done when it began.
    uint32_t set = 0;
  } outgoing;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_REMOTEGROUP_H
