//===- Cluster.cpp - Processes that run one engine ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Cluster.h"

#include "runtime/base/ProcessMemory.h"
#include "runtime/collective/ClusterMonitor.h"
#include "runtime/collective/TransportLoader.h"

#include <algorithm>
#include <cstring>
#include <sched.h>
#include <unistd.h>

namespace tenon::collective {

namespace {
/// What a process says of itself first.
struct Hello {
  char magic[8];
  uint32_t process;
  uint32_t timeoutMs;
  char host[112];
  cpu_set_t processors;
};
constexpr char kMagic[8] = {'t', 'e', 'n', 'o', 'n', 'm', 'p', '1'};
/// Until every rank has said it: a rank may be slow to start, and the monitor does not watch yet.
constexpr double kHelloSeconds = 30;
} // namespace

Cluster::Cluster(Transport &transport, ClusterOptions o)
    : line(transport), options(std::move(o)), peers(transport.size()) {}

StatusOr<std::unique_ptr<Cluster>> Cluster::join(ClusterOptions options) {
  if (!(options.timeoutSeconds >= 1) || options.timeoutSeconds > 3600)
    return Status::invalidArgument("--rank-timeout: 1 to 3600 seconds");
  const uint64_t before = residentBytes();
  auto transport = loadTransport();
  if (!transport)
    return transport.status();
  std::unique_ptr<Cluster> cluster(new Cluster(**transport, std::move(options)));
  cluster->library = residentBytes() - std::min(before, residentBytes());
  TENON_RETURN_IF_ERROR(cluster->introduce());
  cluster->monitor = std::make_unique<ClusterMonitor>(*cluster, cluster->options);
  return cluster;
}

Status Cluster::introduce() {
  Hello own{};
  std::memcpy(own.magic, kMagic, sizeof(kMagic));
  own.process = static_cast<uint32_t>(getpid());
  own.timeoutMs = static_cast<uint32_t>(options.timeoutSeconds * 1e3);
  gethostname(own.host, sizeof(own.host) - 1);
  CPU_ZERO(&own.processors);
  sched_getaffinity(0, sizeof(own.processors), &own.processors);

  std::vector<Hello> all(size());
  all[rank()] = own;
  MessageBatch batch(*this, 2 * size());
  for (uint32_t r = 0; r < size(); ++r)
    if (r != rank()) {
      batch.receive(r, Tag::Hello, &all[r], sizeof(Hello));
      batch.send(r, Tag::Hello, &own, sizeof(Hello));
    }
  TENON_RETURN_IF_ERROR(batch.wait(MessageBatch::Wait::Busy, kHelloSeconds));

  for (uint32_t r = 0; r < size(); ++r) {
    all[r].host[sizeof(all[r].host) - 1] = 0;
    Peer &peer = peers[r];
    peer.host = all[r].host;
    peer.process = all[r].process;
    if (std::memcmp(all[r].magic, kMagic, sizeof(kMagic)) != 0)
      return Status::unavailable("rank " + std::to_string(r) +
                                 " runs another program or another version of tenon");
    if (all[r].timeoutMs != all[0].timeoutMs)
      return Status::invalidArgument(nameOf(r) + " has another --rank-timeout than rank 0");
    peer.sharers = 0;
    for (uint32_t other = 0; other < size(); ++other)
      if (std::strncmp(all[other].host, all[r].host, sizeof(own.host)) == 0 &&
          CPU_EQUAL(&all[other].processors, &all[r].processors)) {
        peer.place += other < r;
        ++peer.sharers;
      }
  }
  return Status::ok();
}

Cluster::~Cluster() = default; // The monitor tells the others, if there is something to tell.

std::string Cluster::nameOf(uint32_t r) const {
  std::string name = "rank " + std::to_string(r);
  if (r < peers.size() && peers[r].process)
    name += " (host " + peers[r].host + ", process " + std::to_string(peers[r].process) + ")";
  return name;
}

Status Cluster::gatherAll(std::span<const std::byte> own, std::byte *all) {
  std::memcpy(all + rank() * own.size(), own.data(), own.size());
  MessageBatch batch(*this, 2 * size());
  for (uint32_t r = 0; r < size(); ++r)
    if (r != rank()) {
      batch.receive(r, Tag::Gather, all + r * own.size(), own.size());
      batch.send(r, Tag::Gather, own.data(), own.size());
    }
  return batch.wait();
}

Status Cluster::leave() {
  const std::byte nothing{};
  std::vector<std::byte> all(size());
  TENON_RETURN_IF_ERROR(gatherAll({&nothing, 1}, all.data()));
  monitor->finish();
  line.transport.leave();
  return Status::ok();
}

} // namespace tenon::collective
