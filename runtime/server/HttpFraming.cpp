//===- HttpFraming.cpp - Where a request ends -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/HttpFraming.h"

#include <boost/beast/core/string.hpp>

namespace tenon::server {

namespace http = boost::beast::http;

/// Of "http://" or "https://" before an authority, as proxies send it; 0 if there is none.
static size_t schemeSize(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (target.size() >= scheme.size() &&
        boost::beast::iequals({target.data(), scheme.size()}, {scheme.data(), scheme.size()}))
      return scheme.size();
  return 0;
}

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
  const std::string_view target(header.target().data(), header.target().size());
  if (!target.starts_with('/') && target != "*" && schemeSize(target) == 0)
    return "a target that is no path";
  return {};
}

std::string_view pathOf(std::string_view target) {
  if (const size_t scheme = schemeSize(target)) {
    target.remove_prefix(scheme);
    const size_t slash = target.find_first_of("/?");
    target = slash == target.npos || target[slash] == '?' ? "/" : target.substr(slash);
  }
  return target.substr(0, target.find('?'));
}

} // namespace tenon::server
