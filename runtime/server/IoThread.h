//===- IoThread.h - A thread that serves connections ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_IOTHREAD_H
#define TENON_RUNTIME_SERVER_IOTHREAD_H

#include "runtime/server/Mailbox.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <sched.h>
#include <thread>
#include <unordered_set>

namespace tenon::server {

class Connection;

/// One event loop on one thread; its connections never leave it, so they need no locks.
class IoThread {
public:
  /// Remembers the processors that the constructing thread may use: start() may be called by one
  /// that has been bound to a single processor since.
  IoThread();
  ~IoThread();

  /// `besideEngine`: where the caller is bound to one processor (the engine's thread is), the loop
  /// keeps off it if there is another. Not for several replicas, of which another would have it
  /// alone.
  void start(bool besideEngine = true);
  /// Ends the loop and waits for the thread. Not to be called on it.
  void join();

  boost::asio::io_context context{1};
  Mailbox mailbox;
  /// Those alive. On this thread only.
  std::unordered_set<Connection *> connections;

private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  std::thread thread;
  cpu_set_t processors;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_IOTHREAD_H
