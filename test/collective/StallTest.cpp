//===- StallTest.cpp - Ranks that live and get nowhere --------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Run by mpirun with three processes and one case: what ranks say of themselves, and what all of
// them must then be told. Every rank checks and ends with 0 if it was so.
//
//   hangs     rank 2 computes and finishes no launch; rank 1 waits for it and must not be blamed
//   deadlock  rank 1 waits for rank 2, which waits for rank 1
//   works     rank 2 computes one launch after the other for longer than the timeout: nobody is
//   blamed
//
#include "runtime/base/Clock.h"
#include "runtime/collective/Cluster.h"

#include <chrono>
#include <cstdio>
#include <regex>
#include <string>
#include <thread>

using namespace tenon;
using namespace tenon::collective;

static int differs(const Cluster &cluster, const std::string &what) {
  std::fprintf(stderr, "%s: %s\n", cluster.nameOf(cluster.rank()).c_str(), what.c_str());
  return 1;
}

static int check(Cluster &cluster, const std::string &name) {
  const double timeout = 1;
  Health &health = cluster.health;
  const uint32_t rank = cluster.rank();
  std::string expected;
  if (name == "hangs") {
    health.activity = rank == 2 ? Health::Computing : rank == 1 ? 2 : Health::Idle;
    expected =
        "rank 2 \\(host .*, process [0-9]+\\) lives and has not finished a launch for 1\\..*";
  } else if (name == "deadlock") {
    health.activity = rank == 0 ? Health::Idle : int32_t(3 - rank);
    expected = "rank ([12]) .* has waited for rank ([12]) .* and no rank moves.*";
  } else {
    health.activity = rank == 2 ? Health::Computing : rank == 1 ? 2 : Health::Idle;
  }
  const Stopwatch watch;
  while (cluster.failure().isOk() && watch.seconds() < (expected.empty() ? 4 : 10) * timeout) {
    if (name == "works" && rank == 2)
      health.progress.fetch_add(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::string said = cluster.failure().message();
  if (expected.empty())
    return said.empty() ? 0 : differs(cluster, "blamed without reason: " + said);
  if (!std::regex_match(said, std::regex(expected)))
    return differs(cluster, "said \"" + said + "\" and not " + expected);
  return watch.seconds() < 6 * timeout ? 0 : differs(cluster, "noticed late");
}

int main(int argc, char **argv) {
  auto joined = Cluster::join({.timeoutSeconds = 1});
  if (!joined || argc != 2 || (*joined)->size() != 3) {
    std::fprintf(stderr, "%s\n",
                 joined ? "three processes and a case" : joined.status().message().c_str());
    return 2;
  }
  const int result = check(**joined, argv[1]);
  if ((*joined)->failure().isOk())
    return (*joined)->leave().isOk() ? result : 2;
  // The job has failed, as it was to; its processes are well and can still take their leave of MPI.
  Transport &transport = (*joined)->line.transport;
  joined->reset();
  transport.leave();
  return result;
}
