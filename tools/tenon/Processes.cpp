//===- Processes.cpp - Commands that several processes run ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/Processes.h"

#include "runtime/collective/TransportLoader.h"
#include "runtime/executor/Follower.h"
#include "tools/tenon/Command.h"

#include <boost/json.hpp>

#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace tenon::tool {

void endJob(const Status &why) {
  std::fflush(stdout);
  std::fprintf(stderr, "tenon: %s\n", why.message().c_str());
  _exit(exitCode(why.code()));
}

namespace {

Status followRankZero(const RunOptions &options) {
  if (options.drains)
    for (int asked :
         {SIGTERM, SIGINT}) // A launcher passes them to all; rank 0 says when it is over.
      std::signal(asked, SIG_IGN);
  executor::ExecutorOptions executing;
  executing.pin = !options.noPin;
  executing.microBatchRows = options.microBatch;
  executing.cluster = options.cluster;
  return executor::follow(
      *options.cluster, [&] { return Session::openEngine(options); }, Session::workersFor(options),
      executing);
}

} // namespace

Status onEveryProcess(RunOptions &options, const std::function<Status()> &body) {
  if (collective::launchedProcesses() == 1)
    return body();
  auto joined = collective::Cluster::join({options.rankTimeout.value_or(kRankTimeout), endJob});
  if (!joined)
    return joined.status();
  collective::Cluster &cluster = **joined;
  options.cluster = &cluster;
  const Status status = body();
  if (cluster.failure().isOk())
    (void)cluster.leave();
  if (Status why = cluster.failure(); !why.isOk()) {
    // Said at once: when one process of the job has ended, a launcher kills the others.
    std::fflush(stdout);
    std::fprintf(stderr, "tenon: %s\n", why.message().c_str());
    joined->reset();
    _exit(exitCode(why.code()));
  }
  options.cluster = nullptr;
  return status;
}

Status onFirstProcess(const std::function<Status()> &body) {
  return collective::launchedRank() == 0 ? body() : Status::ok();
}

Status withProcesses(RunOptions &options, const std::function<Status()> &body) {
  return onEveryProcess(options, [&]() -> Status {
    collective::Cluster *cluster = options.cluster;
    if (cluster && cluster->rank() != 0)
      return followRankZero(options);
    const Status status = body();
    if (cluster && cluster->failure().isOk())
      (void)executor::CommandSender(*cluster).send(executor::Command::Stop);
    return status;
  });
}

StatusOr<boost::json::array> processesJson(const RunOptions &options,
                                           executor::Executor &executor) {
  boost::json::array processes;
  if (!options.cluster)
    return processes;
  auto reports = executor.reports();
  if (!reports)
    return reports.status();
  for (uint32_t rank = 0; rank < reports->size(); ++rank) {
    const executor::ProcessReport &r = (*reports)[rank];
    const collective::Cluster::Peer &peer = options.cluster->peer(rank);
    processes.push_back({{"rank", rank},
                         {"host", peer.host},
                         {"process", peer.process},
                         {"first_chip", r.firstChip},
                         {"chips", r.chips},
                         {"workers", r.workers},
                         {"planned_bytes", r.plannedBytes},
                         {"measured_bytes", r.residentBytes},
                         {"peak_rss_bytes", r.peakBytes},
                         {"stored_weights_bytes", r.storedWeights}});
  }
  return processes;
}

} // namespace tenon::tool
