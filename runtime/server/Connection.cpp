//===- Connection.cpp - One client ----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Connection.h"

#include "runtime/base/Clock.h"
#include "runtime/base/Log.h"
#include "runtime/server/AnswerFormat.h"
#include "runtime/server/ApiErrors.h"
#include "runtime/server/HttpFraming.h"
#include "runtime/server/ReceivedRequest.h"
#include "runtime/server/Tls.h"
#include "runtime/server/Transport.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include <fmt/core.h>

#include <algorithm>

namespace tenon::server {

namespace asio = boost::asio;
namespace http = boost::beast::http;

/// What the system may hold of an answer that is not taken: slow readers must not fill memory
/// there.
static constexpr int kSendBuffer = 256 << 10;
static constexpr size_t kReadChunk = 8192;
/// What is read beyond a header at most. A chunk's extension or a trailer must fit too: the parser
/// takes them whole.
static constexpr size_t kReadAhead = size_t(64) << 10;
/// How long a refused client may go on sending before its connection is torn down.
static constexpr uint32_t kLingerMs = 2000;
static constexpr size_t kLingerBytes = size_t(8) << 20;

static std::string_view reasonOf(int status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  return {text.data(), text.size()};
}

//===----------------------------------------------------------------------===//
// Exchange
//===----------------------------------------------------------------------===//

/// A request and its answer. Outlives the connection where a handler still holds it; then it does
/// nothing.
class Connection::Exchange : public Responder {
public:
  Exchange(Connection &connection, RequestPtr request, bool http11, bool keepAlive, bool bodyless)
      : connection(&connection), request(std::move(request)), http11(http11), keepAlive(keepAlive),
        bodyless(bodyless) {}

  void respond(const HttpHead &head, std::string_view body) override {
    if (!connection || begun)
      return;
    begun = true;
    std::string text = statusLine(head);
    fmt::format_to(std::back_inserter(text), "content-length: {}\r\n\r\n", body.size());
    if (!bodyless)
      text += body;
    put(text);
    if (connection) // A reader too slow may just have been cut.
      end();
  }

  void beginStream(const HttpHead &head) override {
    if (!connection || begun)
      return;
    begun = true;
    chunked = http11;
    keepAlive &= http11; // Without chunks the end of the connection is the end of the body.
    std::string text = statusLine(head);
    text += chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n";
    bytes += text.size();
    connection->pending += text; // Goes with the first part.
  }

  void write(std::string_view part) override {
    if (!connection || !begun || part.empty() || bodyless)
      return;
    if (chunked)
      put(fmt::format("{:x}\r\n{}\r\n", part.size(), part));
    else
      put(part);
  }

  void endStream() override {
    if (!connection)
      return;
    put(chunked && !bodyless ? "0\r\n\r\n" : "");
    if (connection)
      end();
  }

  void onGone(std::function<void()> callback) override { gone = std::move(callback); }
  Mailbox &mailbox() override { return connection->io.mailbox; }

  /// The connection has ended. `status` is for the log.
  void detach(bool complete) {
    Connection *was = std::exchange(connection, nullptr);
    if (!was)
      return;
    was->context.onAnswered(*request, complete ? status : 499, bytes);
    if (auto callback = std::exchange(gone, nullptr); callback && !complete)
      callback();
  }

  bool keepsAlive() const { return keepAlive; }

private:
  std::string statusLine(const HttpHead &head) {
    status = head.status;
    keepAlive &= !connection->context.draining.load(std::memory_order_relaxed);
    std::string text = fmt::format("HTTP/1.1 {} {}\r\nserver: tenon\r\nx-request-id: {}\r\n"
                                   "connection: {}\r\ncontent-type: {}\r\n",
                                   head.status, reasonOf(head.status), request->id,
                                   keepAlive ? "keep-alive" : "close", head.contentType);
    for (const auto &[name, value] : head.headers)
      fmt::format_to(std::back_inserter(text), "{}: {}\r\n", name, value);
    return text;
  }
  void put(std::string_view text) {
    bytes += text.size();
    connection->send(text);
  }
  void end() {
    Connection &c = *connection;
    c.closeAfter |= !keepAlive;
    c.answered = true;
    detach(true);
    c.onAnswerWritten();
  }

  Connection *connection;
  const RequestPtr request;
  std::function<void()> gone;
  const bool http11;
  bool keepAlive;
  const bool bodyless;
  bool begun = false, chunked = false;
  int status = 0;
  uint64_t bytes = 0;
};

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static std::unique_ptr<Transport> makeTransport(asio::ip::tcp::socket socket, const Tls *tls) {
#if TENON_HAS_TLS
  if (tls)
    return std::make_unique<Transport>(std::move(socket), *tls->current());
#endif
  return std::make_unique<Transport>(std::move(socket));
}

Connection::Connection(Socket s, IoThread &io, const ConnectionContext &context)
    : stream(makeTransport(std::move(s), context.tls)), socket(stream->plain()), io(io),
      context(context), readTimer(socket.get_executor()), writeTimer(socket.get_executor()),
      buffer(context.limits.headerBytes + kReadAhead) {
  io.connections.insert(this);
}

Connection::~Connection() {
  if (exchange)
    exchange->detach(false);
  io.connections.erase(this);
}

void Connection::start() {
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::send_buffer_size(kSendBuffer), ignored);
  if (!stream->isSecure())
    return serve();
  setDeadline(context.timeouts.header, &Connection::onIdleTimeout);
  stream->handshake([self = shared_from_this()](boost::system::error_code error) {
    return error ? self->abort() : self->serve();
  });
}

void Connection::serve() {
  if (closed)
    return;
  setDeadline(context.timeouts.idle, &Connection::onIdleTimeout);
  waitForBytes();
}

void Connection::refuse() {
  if (stream->isSecure()) // There are no keys yet to say it with.
    return abort();
  failReading(503, "server_overloaded", "The server has too many connections; try again later.");
}

void Connection::closeIfIdle() {
  if (!exchange && pending.empty() && sending.empty())
    abort();
}

void Connection::abort() {
  if (std::exchange(closed, true))
    return;
  const auto last = std::move(unread); // Until this function is done.
  boost::system::error_code ignored;
  socket.close(ignored);
  endDeadline();
  writeTimer.cancel();
  if (const auto current = std::exchange(exchange, nullptr))
    current->detach(false);
}

void Connection::setDeadline(uint32_t milliseconds, void (Connection::*action)()) {
  readTimer.expires_after(std::chrono::milliseconds(milliseconds));
  // A timer that has run out while the thread did something else, or while the whole process stood
  // still, is not cancelled any more: its handler waits in line.
  readTimer.async_wait(
      [weak = weak_from_this(), action, number = ++deadline](boost::system::error_code error) {
        if (const auto self = weak.lock(); self && !error && self->deadline == number)
          ((*self).*action)();
      });
}

void Connection::endDeadline() {
  ++deadline;
  readTimer.cancel();
}

void Connection::onIdleTimeout() { abort(); }

/// Ends the outstanding read; its handler answers.
void Connection::onReadTimeout() {
  timedOut = true;
  boost::system::error_code ignored;
  socket.cancel(ignored);
}

/// Reads whatever comes: the next request, or, while one is answered, the news that the client has
/// left. There is at most one such read.
void Connection::waitForBytes() {
  if (closed || waiting)
    return;
  waiting = true;
  stream->async_read_some(
      buffer.prepare(kReadChunk),
      [self = shared_from_this()](boost::system::error_code error, size_t count) {
        self->onBytes(error, count);
      });
}

void Connection::onBytes(boost::system::error_code error, size_t count) {
  waiting = false;
  if (closed)
    return;
  if (error)
    return abort();
  buffer.commit(count);
  if (lingering) {
    discarded += buffer.size();
    buffer.consume(buffer.size());
    return discarded > kLingerBytes ? abort() : waitForBytes();
  }
  exchange ? watchClient() : readNext();
}

/// While a request is answered. A client may send its next one early: that is read once this one is
/// answered, and until then the client's leaving is only noticed by writing, and no read holds the
/// connection.
void Connection::watchClient() {
  skipEmptyLines();
  if (buffer.size() == 0)
    waitForBytes();
  else
    unread = shared_from_this();
}

void Connection::readNext() {
  skipEmptyLines();
  buffer.size() == 0 ? waitForBytes() : readHeader();
}

/// What some clients send behind a body, and RFC 9112 (2.2) says to pass over. Before the first
/// request it is no more than the beginning of one that must come in time.
void Connection::skipEmptyLines() {
  if (!served)
    return;
  const auto data = static_cast<const char *>(buffer.data().data());
  size_t end = 0;
  while (buffer.size() >= end + 2 && data[end] == '\r' && data[end + 1] == '\n')
    end += 2;
  buffer.consume(end);
}

void Connection::readHeader() {
  parser.emplace();
  parser->header_limit(static_cast<uint32_t>(context.limits.headerBytes));
  parser->body_limit(context.limits.bodyBytes);
  setDeadline(context.timeouts.header, &Connection::onReadTimeout);
  http::async_read_header(*stream, buffer, *parser,
                          [self = shared_from_this()](boost::system::error_code error, size_t) {
                            if (error || self->closed)
                              self->onRead(error);
                            else
                              self->readBody();
                          });
}

void Connection::readBody() {
  const auto &header = parser->get();
  if (const std::string_view fault = framingFault(header); !fault.empty())
    return failReading(400, "invalid_request",
                       fmt::format("The request is not valid HTTP ({}).", fault));
  if (boost::beast::iequals(header[http::field::expect], "100-continue"))
    send("HTTP/1.1 100 Continue\r\n\r\n");
  if (parser->is_done())
    return onRead({});
  setDeadline(context.timeouts.body, &Connection::onReadTimeout);
  http::async_read(*stream, buffer, *parser,
                   [self = shared_from_this()](boost::system::error_code error, size_t) {
                     self->onRead(error);
                   });
}

void Connection::onRead(boost::system::error_code error) {
  if (closed || lingering)
    return;
  if (timedOut)
    return failReading(408, "request_timeout", "The request did not arrive in time.");
  if (!error)
    return dispatch();
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return failReading(
        431, "header_too_large",
        fmt::format("The request's header is larger than {} bytes, or the extension of a chunk is.",
                    context.limits.headerBytes));
  if (error == http::error::body_limit)
    return failReading(
        413, "request_too_large",
        fmt::format("The request's body is larger than {} bytes.", context.limits.bodyBytes));
  // The parser's own errors; all others are of the connection.
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message)
    return failReading(400, "invalid_request",
                       "The request is not valid HTTP (" + error.message() + ").");
  abort();
}

void Connection::dispatch() {
  endDeadline();
  auto &message = parser->get();
  const bool keepAlive = message.keep_alive();
  const bool http11 = message.version() >= 11;
  const RequestPtr request = receivedRequest(std::move(message), socket);
  parser.reset();

  answered = false;
  served = true;
  exchange =
      std::make_shared<Exchange>(*this, request, http11, keepAlive, request->method == "HEAD");
  const std::shared_ptr<Exchange> current = exchange;
  watchClient();
  try {
    context.handler(request, current);
  } catch (const std::exception &error) {
    // A library ran out of memory, or broke a promise. This request fails and no other.
    log::error(std::string("request failed: ") + error.what());
    ApiError::fromStatus(Status::internal({})).answer(*current);
  }
}

/// Answers what never became a request, and closes.
void Connection::failReading(int status, const std::string &code, const std::string &message) {
  ApiError error = ApiError::invalid({}, code, message);
  error.status = status;
  if (status >= 500)
    error.type = "server_error";
  const std::string body = error.body();
  endDeadline();
  closeAfter = answered = true;
  send(fmt::format("HTTP/1.1 {} {}\r\nserver: tenon\r\nx-request-id: {}\r\nconnection: close\r\n"
                   "content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
                   status, reasonOf(status), randomId("req_"), body.size(), body));
  onAnswerWritten();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void Connection::send(std::string_view text) {
  if (closed)
    return;
  pending += text;
  if (exchange && !answered &&
      pending.size() + sending.size() - sent > context.limits.unsentBytes && !sending.empty()) {
    log::info("a client reads too slowly; its connection is cut");
    return abort();
  }
  writeMore();
}

void Connection::writeMore() {
  if (!sending.empty() || pending.empty() || closed)
    return;
  sending.swap(pending);
  // Mostly the system takes all of it at once, without a timer and a completion for each token.
  boost::system::error_code error;
  sent = stream->write_some(asio::buffer(sending), error);
  if (error && error != asio::error::would_block)
    return abort();
  if (sent == sending.size()) {
    sending.clear();
    return;
  }
  const auto write = [](const auto &again, std::shared_ptr<Connection> self) -> void {
    Connection &c = *self;
    c.writeTimer.expires_after(std::chrono::milliseconds(c.context.timeouts.write));
    c.writeTimer.async_wait(
        [weak = c.weak_from_this(), number = ++c.writes](boost::system::error_code error) {
          // As with reads, one that ran out before it was cancelled comes all the same.
          if (const auto late = weak.lock(); late && !error && late->writes == number)
            late->abort();
        });
    c.stream->async_write_some(
        asio::buffer(c.sending.data() + c.sent, c.sending.size() - c.sent),
        [again, self = std::move(self)](boost::system::error_code error, size_t count) {
          Connection &c = *self;
          if (c.closed)
            return;
          if (error)
            return c.abort();
          ++c.writes;
          c.sent += count;
          if (c.sent < c.sending.size())
            return again(again, self);
          c.writeTimer.cancel();
          c.sending.clear();
          c.writeMore();
          c.onAnswerWritten();
        });
  };
  write(write, shared_from_this());
}

/// Goes on once an answer is complete and written.
void Connection::onAnswerWritten() {
  if (closed || !answered || !pending.empty() || !sending.empty())
    return;
  const auto last = std::move(unread); // Until this function is done.
  answered = false;
  exchange.reset();
  if (closeAfter)
    return linger();
  setDeadline(context.timeouts.idle, &Connection::onIdleTimeout);
  if (!waiting)
    readNext();
}

/// Closing while the client still sends would make it lose the answer: the sending side is shut
/// first, and what comes is thrown away for a while.
void Connection::linger() {
  lingering = true;
  stream->finishSending([self = shared_from_this()](boost::system::error_code) {});
  buffer.consume(buffer.size());
  setDeadline(kLingerMs, &Connection::onIdleTimeout);
  waitForBytes();
}

} // namespace tenon::server
