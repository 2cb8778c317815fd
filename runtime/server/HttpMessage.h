//===- HttpMessage.h - A request, and how it is answered --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What the routes know of HTTP. They see no sockets, and include no networking library.
//
#ifndef TENON_RUNTIME_SERVER_HTTPMESSAGE_H
#define TENON_RUNTIME_SERVER_HTTPMESSAGE_H

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::server {

class Mailbox;

/// A whole request.
struct HttpRequest {
  std::string method; ///< As sent: "GET".
  std::string path;   ///< Without the query.
  std::string body;
  std::string client; ///< Address it came from; of IPv6 the network of 64 bits.
  std::string id;     ///< Of x-request-id: the client's if it is a plain word, else ours.
  std::vector<std::pair<std::string, std::string>> headers; ///< Names in lower case.
  uint64_t arrivedNanos = 0;

  /// The first header of this name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const {
    for (const auto &[key, value] : headers)
      if (key == name)
        return value;
    return {};
  }
};

/// A response's status line, type and further headers.
struct HttpHead {
  int status = 200;
  std::string contentType = "application/json";
  /// Values must not come from a client: they are written as they are.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Answers one request. Used on its connection's I/O thread only. Either respond() once, or
/// beginStream(), which may be sent with the first part, write() any number of times, endStream().
/// After the client has left, all of them do nothing.
class Responder {
public:
  virtual ~Responder() = default;
  virtual void respond(const HttpHead &head, std::string_view body) = 0;
  virtual void beginStream(const HttpHead &head) = 0;
  virtual void write(std::string_view part) = 0;
  virtual void endStream() = 0;

  /// Called once if the client leaves, or is cut off, before the answer is complete.
  virtual void onGone(std::function<void()> callback) = 0;

  /// Where events for this connection's thread are put.
  virtual Mailbox &mailbox() = 0;
};

using RequestPtr = std::shared_ptr<const HttpRequest>;
using ResponderPtr = std::shared_ptr<Responder>;
using Handler = std::function<void(const RequestPtr &, const ResponderPtr &)>;

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_HTTPMESSAGE_H
