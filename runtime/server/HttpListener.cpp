//===- HttpListener.cpp - Takes connections in ----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/HttpListener.h"

#include "runtime/base/Log.h"

#include <boost/asio/post.hpp>

#include <fmt/core.h>

namespace tenon::server {

namespace asio = boost::asio;
using asio::ip::tcp;

HttpListener::HttpListener(std::vector<std::unique_ptr<IoThread>> &threads,
                           const ConnectionContext &context)
    : threads(threads), context(context), acceptor(threads.front()->context),
      retry(threads.front()->context) {}

Status HttpListener::open(const std::string &host, uint16_t port) {
  boost::system::error_code error;
  const asio::ip::address address =
      asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error)
    return Status::invalidArgument(
        fmt::format("--host {}: an IP address is wanted, such as 127.0.0.1, 0.0.0.0 or ::", host));
  const tcp::endpoint endpoint(address, port);
  const auto step = [&](const char *what, auto &&call) -> Status {
    call();
    if (!error)
      return Status::ok();
    return Status::unsupported(fmt::format("cannot {} {} port {}: {}; try another --port", what,
                                           host, port, error.message()));
  };
  TENON_RETURN_IF_ERROR(step("open", [&] { acceptor.open(endpoint.protocol(), error); }));
  TENON_RETURN_IF_ERROR(
      step("reuse", [&] { acceptor.set_option(asio::socket_base::reuse_address(true), error); }));
  TENON_RETURN_IF_ERROR(step("bind", [&] { acceptor.bind(endpoint, error); }));
  return step("listen on", [&] { acceptor.listen(1024, error); });
}

uint16_t HttpListener::port() const {
  boost::system::error_code ignored;
  return acceptor.local_endpoint(ignored).port();
}

void HttpListener::accept() {
  IoThread &thread = *threads[next++ % threads.size()];
  acceptor.async_accept(thread.context,
                        [this, &thread](boost::system::error_code error, tcp::socket socket) {
                          onAccepted(error, std::move(socket), thread);
                        });
}

void HttpListener::onAccepted(boost::system::error_code error, tcp::socket socket,
                              IoThread &thread) {
  if (error == asio::error::operation_aborted)
    return;
  if (error) {
    // Out of file descriptors, most likely: waiting is better than spinning.
    log::warning("cannot accept a connection: " + error.message());
    retry.expires_after(std::chrono::milliseconds(100));
    retry.async_wait([this](boost::system::error_code stopped) {
      if (!stopped)
        accept();
    });
    return;
  }
  const bool full = open_->fetch_add(1) >= context.limits.connections;
  asio::post(thread.context,
             [this, full, count = open_, &thread, socket = std::move(socket)]() mutable {
               const std::shared_ptr<Connection> connection(
                   new Connection(std::move(socket), thread, context), [count](Connection *c) {
                     delete c;
                     count->fetch_sub(1);
                   });
               if (full)
                 connection->refuse();
               else
                 connection->start();
             });
  accept();
}

void HttpListener::close() {
  boost::system::error_code ignored;
  acceptor.close(ignored);
  retry.cancel();
}

} // namespace tenon::server
