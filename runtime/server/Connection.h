//===- Connection.h - One client --------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_CONNECTION_H
#define TENON_RUNTIME_SERVER_CONNECTION_H

#include "runtime/server/HttpMessage.h"
#include "runtime/server/IoThread.h"
#include "runtime/server/ServerOptions.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <memory>
#include <optional>
#include <string>

namespace tenon::server {

class Tls;
class Transport;

/// What connections need of the server.
struct ConnectionContext {
  const Limits &limits;
  const Timeouts &timeouts;
  /// Answers a request; may do so later.
  Handler handler;
  /// An answer is complete; status 499: the client left before.
  std::function<void(const HttpRequest &, int status, uint64_t bytes)> onAnswered;
  const std::atomic<bool> &draining; ///< Close after the current answer.
  const Tls *tls = nullptr;          ///< Null: plain HTTP.
};

/// Reads one request at a time, hands it to the handler and writes the answer, until the client
/// closes, breaks a limit or a timeout, or the server drains. Everything happens on one I/O thread.
/// Keeps itself alive while an operation is outstanding.
class Connection : public std::enable_shared_from_this<Connection> {
public:
  Connection(boost::asio::ip::tcp::socket socket, IoThread &io, const ConnectionContext &context);
  ~Connection();

  void start();
  /// Answers with 503 and closes: there are too many connections.
  void refuse();
  /// Closes at once if no request is being answered.
  void closeIfIdle();
  void abort();

private:
  class Exchange;
  using Socket = boost::asio::ip::tcp::socket;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void serve();
  void waitForBytes();
  void onBytes(boost::system::error_code error, size_t count);
  void watchClient();
  void readNext();
  void skipEmptyLines();
  void readHeader();
  void readBody();
  void onRead(boost::system::error_code error);
  void dispatch();
  void failReading(int status, const std::string &code, const std::string &message);
  /// Calls `action` then, unless another deadline is set or this one ended before.
  void setDeadline(uint32_t milliseconds, void (Connection::*action)());
  void endDeadline();
  void onReadTimeout();
  void onIdleTimeout();

  void send(std::string_view text);
  void writeMore();
  void onAnswerWritten();
  void linger();

  const std::unique_ptr<Transport> stream;
  Socket &socket; ///< Below `stream`.
  IoThread &io;
  const ConnectionContext &context;
  boost::asio::steady_timer readTimer, writeTimer;
  boost::beast::flat_buffer buffer;
  std::optional<Parser> parser;
  std::shared_ptr<Exchange> exchange; ///< The request being answered.
  std::string pending, sending;       ///< Not yet handed to the system; being handed over.
  size_t sent = 0;                    ///< Of `sending`.
  size_t discarded = 0;
  uint32_t deadline = 0; ///< Number of the one that counts.
  uint32_t writes = 0;   ///< Begun and ended; of the one that the timer is for.
  /// Itself while a request is answered and the next one is in `buffer` already: then there is no
  /// read, and whoever answers does not hold the connection either.
  std::shared_ptr<Connection> unread;
  bool waiting = false;  ///< For bytes of the next request, or for the client to leave.
  bool timedOut = false; ///< While reading a request.
  bool served = false;   ///< A request has come.
  bool answered = false, closeAfter = false, closed = false, lingering = false;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_CONNECTION_H
