//===- HttpFuzz.cpp - Hostile bytes on a connection -----------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes from a client, in pieces of any size: the connection ends, what it says is well-formed
// HTTP with one answer a request, and the handler sees no request whose parts could be mistaken.
//
#include "runtime/server/Auth.h"
#include "runtime/server/Connection.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include <sys/socket.h>
#include <unistd.h>

using namespace tenon::server;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

namespace {

/// A served connection whose client is this file.
class Client {
public:
  Client() : context{limits, timeouts, {}, {}, draining} {
    limits.headerBytes = 2048;
    limits.bodyBytes = 4096;
    context.handler = [this](const RequestPtr &request, const ResponderPtr &responder) {
      take(*request);
      if (request->path == "/stream") {
        responder->beginStream({});
        responder->write("part");
        responder->endStream();
      } else {
        responder->respond({}, request->body);
      }
    };
    context.onAnswered = [this](const HttpRequest &, int, uint64_t) { ++answered; };
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no socket pair");
    client = ends[0];
    boost::asio::ip::tcp::socket socket(io.context);
    socket.assign(boost::asio::ip::tcp::v4(), ends[1]);
    std::make_shared<Connection>(std::move(socket), io, context)->start();
  }
  ~Client() { ::close(client); }

  /// Sends a piece and lets the server work. False once it takes no more.
  bool send(const uint8_t *data, size_t size) {
    while (size > 0) {
      const ssize_t taken = ::send(client, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      const bool full = taken < 0 && errno == EAGAIN;
      if (taken < 0 && !full)
        return false;
      data += full ? 0 : taken;
      size -= full ? 0 : size_t(taken);
      io.context.poll();
      receive();
    }
    return true;
  }

  /// Ends the request side; the server must end too.
  void finish() {
    ::shutdown(client, SHUT_WR);
    for (int turn = 0; !io.connections.empty(); ++turn) {
      require(turn < 1000, "the connection does not end");
      io.context.run_one_for(std::chrono::milliseconds(10));
      receive();
    }
    receive();
    checkAnswers();
  }

private:
  void receive() {
    char piece[4096];
    for (ssize_t got; (got = ::recv(client, piece, sizeof(piece), MSG_DONTWAIT)) > 0;)
      said.append(piece, size_t(got));
  }

  void take(const HttpRequest &request) {
    ++requests;
    require(!request.method.empty() && !request.path.empty(), "a request without method or path");
    require(request.body.size() <= limits.bodyBytes, "a body beyond the limit");
    std::set<std::string> once;
    for (const auto &[name, value] : request.headers) {
      require(!name.empty() && name.find_first_of("\r\n :\t") == name.npos, "a broken field name");
      require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos, "a broken value");
      if (name == "content-length" || name == "transfer-encoding" || name == "host")
        require(once.insert(name).second, "a framing field twice");
    }
    require(once.count("content-length") + once.count("transfer-encoding") < 2, "two lengths");
    static const std::vector<std::string> keys = {"a", "other-key"};
    const std::string_view given = request.header("authorization");
    require(!isAuthorized(given, keys) || given.size() >= 8, "a key that nobody has");
  }

  /// Each answer's head, and its body where its length is told.
  void checkAnswers() const {
    size_t at = 0, count = 0;
    while (at < said.size()) {
      if (said.compare(at, 25, "HTTP/1.1 100 Continue\r\n\r\n") == 0) {
        at += 25;
        continue;
      }
      require(said.compare(at, 9, "HTTP/1.1 ") == 0, "no status line where one is due");
      const size_t end = said.find("\r\n\r\n", at);
      require(end != said.npos, "a head without an end");
      const std::string head = said.substr(at, end - at);
      require(head.find("\r\nx-request-id: ") != head.npos, "no x-request-id");
      ++count;
      at = end + 4;
      const size_t length = head.find("\r\ncontent-length: ");
      if (length == head.npos)
        return; // A stream, or an answer to HEAD: these bodies are not followed.
      const size_t bytes = std::strtoull(head.c_str() + length + 18, nullptr, 10);
      if (at + bytes > said.size() || said.compare(at + bytes, 9, "HTTP/1.1 ") != 0)
        break; // The last, or one to HEAD.
      at += bytes;
    }
    require(count <= requests + 1, "more answers than requests");
    require(answered == requests, "a request that was never over");
  }

  Limits limits;
  Timeouts timeouts;
  std::atomic<bool> draining{false};
  ConnectionContext context;
  IoThread io;
  int client = -1;
  std::string said;
  size_t requests = 0, answered = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const size_t step = data[0] == 0 ? size : data[0]; // Pieces of this size.
  ++data, --size;
  Client client;
  while (size > 0) {
    const size_t piece = std::min(step, size);
    if (!client.send(data, piece))
      break;
    data += piece;
    size -= piece;
  }
  client.finish();
  return 0;
}
