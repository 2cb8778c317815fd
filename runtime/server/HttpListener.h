//===- HttpListener.h - Takes connections in --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_HTTPLISTENER_H
#define TENON_RUNTIME_SERVER_HTTPLISTENER_H

#include "runtime/base/Status.h"
#include "runtime/server/Connection.h"
#include "runtime/server/IoThread.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace tenon::server {

/// Listens on one address and spreads connections over I/O threads. Runs on the first of them.
class HttpListener {
public:
  /// `threads` and `context` outlive the listener.
  HttpListener(std::vector<std::unique_ptr<IoThread>> &threads, const ConnectionContext &context);

  /// Binds and listens. NotFound or InvalidArgument says which address and why not.
  Status open(const std::string &host, uint16_t port);
  uint16_t port() const;

  /// Before the threads start, or on the first one.
  void accept();
  void close();

private:
  void onAccepted(boost::system::error_code error, boost::asio::ip::tcp::socket socket,
                  IoThread &thread);

  std::vector<std::unique_ptr<IoThread>> &threads;
  const ConnectionContext &context;
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer retry;
  std::shared_ptr<std::atomic<size_t>> open_ = std::make_shared<std::atomic<size_t>>(0);
  size_t next = 0;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_HTTPLISTENER_H
