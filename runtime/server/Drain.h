//===- Drain.h - How the server ends ----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_DRAIN_H
#define TENON_RUNTIME_SERVER_DRAIN_H

#include "runtime/server/HttpListener.h"
#include "runtime/server/Services.h"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <vector>

namespace tenon::server {

/// On the first SIGTERM or SIGINT the server takes no new work, says so at /ready, and lets what it
/// has come to its end, for at most the drain time. On the second it stops at once.
class Drain {
public:
  /// `signals`: those two, of the first thread's context; they outlive this.
  Drain(std::vector<std::unique_ptr<IoThread>> &threads, HttpListener &listener,
        boost::asio::signal_set &signals, Services &services);

  /// After the engine's loop has ended: gives answers a moment to be written, then stops and joins
  /// the I/O threads. Afterwards nothing calls back.
  void finish();

private:
  void wait();
  void begin();
  void poll();

  std::vector<std::unique_ptr<IoThread>> &threads;
  HttpListener &listener;
  Services &services;
  boost::asio::signal_set &signals;
  boost::asio::steady_timer timer;
  uint64_t deadlineNanos = 0;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_DRAIN_H
