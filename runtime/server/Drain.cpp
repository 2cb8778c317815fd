//===- Drain.cpp - How the server ends ------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Drain.h"

#include "runtime/base/Clock.h"
#include "runtime/grammar/GrammarStore.h"
#include "runtime/server/Dispatcher.h"
#include "runtime/server/RequestLog.h"
#include "runtime/server/ServerOptions.h"

#include <boost/asio/post.hpp>

#include <fmt/core.h>

#include <chrono>
#include <csignal>
#include <future>

namespace tenon::server {

namespace asio = boost::asio;

static constexpr auto kPollEvery = std::chrono::milliseconds(20);
/// For answers that are complete but not yet with their clients.
static constexpr auto kFlushAtMost = std::chrono::milliseconds(1000);

Drain::Drain(std::vector<std::unique_ptr<IoThread>> &threads, HttpListener &listener,
             asio::signal_set &signals, Services &services)
    : threads(threads), listener(listener), services(services), signals(signals),
      timer(threads.front()->context) {
  wait();
}

void Drain::wait() {
  signals.async_wait([this](boost::system::error_code error, int) {
    if (error)
      return;
    if (services.draining.load()) {
      services.log.onEvent("stopping", "second signal");
      services.dispatcher.stop();
      return;
    }
    begin();
    wait();
  });
}

void Drain::begin() {
  services.draining.store(true);
  services.log.onEvent("draining",
                       fmt::format("{} sequences are left", services.dispatcher.inFlight()));
  deadlineNanos = nowNanos() + services.options.timeouts.drain * uint64_t(1'000'000);
  for (const auto &thread : threads)
    asio::post(thread->context, [&t = *thread] {
      const auto now = t.connections; // Closing one takes it out of the set.
      for (Connection *c : now)
        c->closeIfIdle();
    });
  poll();
}

void Drain::poll() {
  const bool compiling = services.grammars && services.grammars->pending() > 0;
  if ((services.dispatcher.inFlight() == 0 && !compiling) || nowNanos() >= deadlineNanos) {
    services.dispatcher.stop();
    return;
  }
  timer.expires_after(kPollEvery);
  timer.async_wait([this](boost::system::error_code error) {
    if (!error)
      poll();
  });
}

void Drain::finish() {
  services.draining.store(true);
  // Wait until every connection has written what it has, then leave.
  const auto until = std::chrono::steady_clock::now() + kFlushAtMost;
  for (const auto &thread : threads)
    for (bool busy = true; busy && std::chrono::steady_clock::now() < until;) {
      auto answer = std::make_shared<std::promise<bool>>();
      auto left = answer->get_future();
      asio::post(thread->context, [&t = *thread, answer] {
        const auto now = t.connections;
        for (Connection *c : now)
          c->closeIfIdle();
        answer->set_value(!t.connections.empty());
      });
      busy = left.wait_until(until) == std::future_status::ready && left.get();
      if (busy)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  for (const auto &thread : threads) {
    thread->join();
    const auto left = thread->connections;
    for (Connection *c : left)
      c->abort();
  }
  listener.close();
}

} // namespace tenon::server
