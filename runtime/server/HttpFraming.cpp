//===- HttpFraming.cpp - Where a request ends -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/HttpFraming.h"

#include <boost/beast/core/string.hpp>

namespace tenon::server {

namespace http = boost::beast::http;

std::string_view framingFault(const http::request_header<> &header) {
  const auto encodings = header.count(http::field::transfer_encoding);
  const auto lengths = header.count(http::field::content_length);
  if (encodings > 0) {
    // Chunks are the only coding understood; another, or the same twice, would hide the end.
    if (encodings > 1 || !boost::beast::iequals(header[http::field::transfer_encoding], "chunked"))
      return "Transfer-Encoding other than chunked";
    if (lengths > 0)
      return "Transfer-Encoding and Content-Length";
    if (header.version() < 11)
      return "Transfer-Encoding in HTTP/1.0";
  }
  if (lengths > 1 ||
      (lengths && header[http::field::content_length].find(',') != boost::beast::string_view::npos))
    return "multiple Content-Length";
  const auto hosts = header.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && header.version() >= 11))
    return hosts ? "multiple Host" : "no Host";
  return {};
}

std::string_view pathOf(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() ||
        !boost::beast::iequals({target.data(), scheme.size()}, {scheme.data(), scheme.size()}))
      continue;
    target.remove_prefix(scheme.size());
    const size_t slash = target.find_first_of("/?");
    target = slash == target.npos || target[slash] == '?' ? "/" : target.substr(slash);
    break;
  }
  return target.substr(0, target.find('?'));
}

} // namespace tenon::server
