//===- IoThread.cpp - A thread that serves connections --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/IoThread.h"

#include <boost/asio/post.hpp>

#include <pthread.h>

namespace tenon::server {

IoThread::IoThread()
    : mailbox([this] { boost::asio::post(context, [this] { mailbox.drain(); }); }),
      work(context.get_executor()) {
  CPU_ZERO(&processors);
  (void)sched_getaffinity(0, sizeof(processors), &processors);
}

IoThread::~IoThread() { join(); }

void IoThread::start(bool besideEngine) {
  // The engine's thread works alone between two steps, and the other workers wait: what is to be
  // written then is written on their processors.
  cpu_set_t mine;
  if (besideEngine && sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_COUNT(&mine) == 1) {
    cpu_set_t others;
    CPU_XOR(&others, &processors, &mine);
    CPU_AND(&others, &others, &processors);
    if (CPU_COUNT(&others) > 0)
      processors = others;
  }
  thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "tenon-io");
    if (CPU_COUNT(&processors) > 0)
      (void)sched_setaffinity(0, sizeof(processors), &processors);
    context.run();
  });
}

void IoThread::join() {
  context.stop();
  if (thread.joinable())
    thread.join();
}

} // namespace tenon::server
