//===- Local.h - Chips of one process ---------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_LOCAL_H
#define TENON_RUNTIME_COLLECTIVE_LOCAL_H

#include "runtime/base/SpinBarrier.h"
#include "runtime/collective/Collective.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace tenon::collective {

/// A group over shared memory. Members read each other's inputs where they lie: a collective costs
/// one barrier of all workers and one pass over the data, and no byte is copied on the way.
class LocalGroup final : public Group {
public:
  /// `workers[m]` threads of member m will call. `policy` says how they wait for each other.
  static StatusOr<std::unique_ptr<LocalGroup>> create(std::vector<uint32_t> workers,
                                                      SpinPolicy policy = {});

  uint32_t size() const override { return static_cast<uint32_t>(workers.size()); }
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
  void abort(const Status &why) override;

private:
  LocalGroup(std::vector<uint32_t> workers, SpinPolicy policy);

  /// What a member offers to the others. Two sets, used in turn: when a set is used again, a
  /// barrier in between has shown that nobody reads its last use.
  struct alignas(64) Offer {
    const void *data[2] = {};
    void *into[2] = {}; ///< Where others may write to, of a gather.
  };
  /// Number of collectives that a worker has entered; own cache line.
  struct alignas(64) Count {
    uint32_t entered = 0;
  };
  /// One direction between two members. `sent` counts messages offered, `taken` those copied.
  struct alignas(64) Channel {
    std::atomic<const void *> data{nullptr};
    WaitWord sent, taken;
    SpinBarrier sender, receiver; ///< Of the workers of either side.
    Channel(uint32_t from, uint32_t to, SpinPolicy policy)
        : sender(from, policy), receiver(to, policy) {}
  };

  /// Publishes `data` and `into`, waits for all, and says which set of offers is this collective's.
  Status enter(const Caller &who, const void *data, uint32_t &set, void *into = nullptr);
  bool aborted() const { return stopped.load(std::memory_order_seq_cst); }
  Status reason() const;
  const void *offered(uint32_t member, uint32_t set) const { return offers[member].data[set]; }
  Channel &channel(uint32_t from, uint32_t to) { return *channels[from * size() + to]; }
  Status check(const Caller &who) const;

  const std::vector<uint32_t> workers;
  const SpinPolicy policy;
  std::vector<uint32_t> firstWorker; ///< Number of member m's worker 0 among all.
  SpinBarrier all;
  std::vector<Offer> offers;                      // [members]
  std::vector<Count> counts;                      // [all workers]
  std::vector<std::unique_ptr<Channel>> channels; // [from, to]
  std::atomic<bool> stopped{false};
  mutable std::mutex mutex;
  Status why; ///< Guarded by `mutex`: of the first abort().
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_LOCAL_H
