//===- ClusterMonitor.h - Notices ranks that died or hang -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A thread of each process. It exchanges beats with rank 0 (rank 0 with everyone), five a second:
// so each rank hears when another stops beating (killed, stopped, host gone), rank 0 sees when one
// beats and yet gets nowhere, and a failure found anywhere is told to all with its reason.
//
#ifndef TENON_RUNTIME_COLLECTIVE_CLUSTERMONITOR_H
#define TENON_RUNTIME_COLLECTIVE_CLUSTERMONITOR_H

#include "runtime/collective/Cluster.h"

#include <condition_variable>
#include <thread>

namespace tenon::collective {

class ClusterMonitor {
public:
  /// Starts watching. `cluster` has been introduced and outlives the monitor.
  ClusterMonitor(Cluster &cluster, const ClusterOptions &options);
  /// Unless finished: the job has failed; returns when the others have been told.
  ~ClusterMonitor();

  /// Stops watching after a job that went well: all ranks have said that they leave.
  void finish();

private:
  /// One message.
  struct Beat {
    uint64_t progress = 0;
    int32_t activity = 0;
    int32_t failure = 0; ///< StatusCode; not Ok: `text` says why the sender stops.
    char text[496] = "";
  };
  /// What is known of a rank.
  struct Watch {
    uint32_t rank = 0;
    Beat in, out;
    Transport::Request receiving, sending;
    bool sendPending = false;
    uint64_t heard = 0; ///< When a beat last came; nanoseconds.
    uint64_t sent = 0;
    int32_t activity = Health::Idle;
    uint64_t progress = 0;
    uint64_t changed = 0; ///< When either last changed.
    bool toldUs = false;  ///< That it stops.
  };

  void run();
  void listen(Watch &peer, uint64_t now);
  void beat(Watch &peer, uint64_t now);
  void note(Watch &of, int32_t activity, uint64_t progress, uint64_t now);
  void judge(uint64_t now);
  void announce();
  bool sleepFor(uint64_t millis); ///< False when told to stop.

  Cluster &cluster;
  const ClusterOptions options;
  std::vector<Watch> watches; ///< Rank 0: of all others; others: of rank 0.
  Watch own;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false; ///< Guarded by `mutex`.
  bool well = false;     ///< Guarded by `mutex`: finish() was called.
  std::thread thread;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_CLUSTERMONITOR_H
