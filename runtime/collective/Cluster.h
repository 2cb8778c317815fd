//===- Cluster.h - Processes that run one engine ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What processes on one host or many know of each other: who they are, whether they are alive, and
// why the job ends if it ends badly. Nobody waits without a bound: every wait for a message ends
// when the job has failed, and a monitor (ClusterMonitor.h) notices ranks that died or hang.
//
#ifndef TENON_RUNTIME_COLLECTIVE_CLUSTER_H
#define TENON_RUNTIME_COLLECTIVE_CLUSTER_H

#include "runtime/base/Status.h"
#include "runtime/collective/Health.h"
#include "runtime/collective/MessageLine.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tenon::collective {

class ClusterMonitor;

struct ClusterOptions {
  /// A rank that is silent, or computes without finishing a launch, for so long has failed.
  double timeoutSeconds = 6;
  /// Called on a thread of the cluster when the job has failed and nobody has destroyed the cluster
  /// for two seconds after: the process sits in a read, or computes. Ends the process.
  std::function<void(const Status &)> onStuck;
};

/// This process's place in a job. One in a process.
class Cluster {
public:
  /// Joins the job that a launcher started. Unsupported without MPI (TransportLoader.h).
  static StatusOr<std::unique_ptr<Cluster>> join(ClusterOptions options);

  /// Without leave() before: the job has failed; tells the others so and does not wait for them.
  ~Cluster();

  uint32_t rank() const { return line.transport.rank(); }
  uint32_t size() const { return line.transport.size(); }

  struct Peer {
    std::string host;
    uint32_t process = 0;
    /// Ranks of the same host that may use the same processors, and this one's place among them.
    uint32_t sharers = 1, place = 0;
  };
  const Peer &peer(uint32_t rank) const { return peers[rank]; }
  /// "rank 1 (host a, process 4711)".
  std::string nameOf(uint32_t rank) const;

  /// What this process has grown by while the message-passing library started: its code, tables and
  /// queues. No plan for an engine knows it, and it is there before the engine is.
  uint64_t libraryBytes() const { return library; }

  /// Collects `own` of every rank, equally long everywhere, into `all` in order of rank.
  Status gatherAll(std::span<const std::byte> own, std::byte *all);

  /// Ends the job everywhere; the first reason holds. The message should name this rank.
  void fail(const Status &why) { health.fail(why); }
  /// Why the job has failed, or ok.
  Status failure() const { return health.reason(); }

  /// Ends a job that went well, once every rank has called it.
  Status leave();

  Health health;
  MessageLine line;

private:
  Cluster(Transport &transport, ClusterOptions options);
  Status introduce();

  const ClusterOptions options;
  uint64_t library = 0;
  std::vector<Peer> peers;
  std::unique_ptr<ClusterMonitor> monitor;
};

/// What messages are for. Collectives have tags of their own from `Groups` on.
struct Tag {
  static constexpr int Monitor = 1, Hello = 2, Gather = 3, Command = 4, Report = 5, Logits = 6,
                       Groups = 64;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_CLUSTER_H
