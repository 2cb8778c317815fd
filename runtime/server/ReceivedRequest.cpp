//===- ReceivedRequest.cpp - A message that came, as a request ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ReceivedRequest.h"

#include "runtime/base/Clock.h"
#include "runtime/server/AnswerFormat.h"
#include "runtime/server/HttpFraming.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace tenon::server {

namespace asio = boost::asio;
namespace http = boost::beast::http;

/// Whom a socket's other end counts as: who has an IPv6 address mostly has the 64-bit network it
/// lies in.
static std::string clientOf(const asio::ip::tcp::socket &socket) {
  boost::system::error_code error;
  const asio::ip::address address = socket.remote_endpoint(error).address();
  if (error)
    return "unknown";
  if (!address.is_v6() || address.to_v6().is_v4_mapped())
    return address.is_v6()
               ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string()
               : address.to_string();
  asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return asio::ip::address_v6(bytes).to_string() + "/64";
}

/// Decodes %XX; what is none stays as it is.
static std::string decodePath(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned value = 0;
    if (path[i] == '%' && i + 2 < path.size() &&
        std::from_chars(path.data() + i + 1, path.data() + i + 3, value, 16).ptr ==
            path.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

/// A client's id goes back in a header, so it must be a plain word.
static bool isPlainWord(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  });
}

RequestPtr receivedRequest(http::request<http::string_body> &&message,
                           const asio::ip::tcp::socket &socket) {
  auto request = std::make_shared<HttpRequest>();
  request->client = clientOf(socket);
  request->arrivedNanos = nowNanos();
  const auto method = message.method_string();
  request->method.assign(method.data(), method.size());
  const auto whole = message.target();
  request->path = decodePath(pathOf({whole.data(), whole.size()}));
  for (const auto &field : message) {
    const auto name = field.name_string(), value = field.value();
    std::string lower(name.data(), name.size());
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request->headers.emplace_back(std::move(lower), std::string(value.data(), value.size()));
  }
  const std::string_view id = request->header("x-request-id");
  request->id = isPlainWord(id) ? std::string(id) : randomId("req_");
  request->body = std::move(message.body());
  return request;
}

} // namespace tenon::server
