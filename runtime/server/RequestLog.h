//===- RequestLog.h - One line for each request -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// On standard error, as text or as JSON objects. Never a key, and no prompt or answer unless the
// operator asked for prompts.
//
#ifndef TENON_RUNTIME_SERVER_REQUESTLOG_H
#define TENON_RUNTIME_SERVER_REQUESTLOG_H

#include "runtime/server/HttpMessage.h"
#include "runtime/server/ServerOptions.h"

#include <cstdint>
#include <string_view>

namespace tenon::server {

/// Thread-safe.
class RequestLog {
public:
  RequestLog(LogFormat format, bool prompts) : format(format), prompts(prompts) {}

  /// A response was handed to the connection, whole or to its end; `status` 499: the client left.
  void onResponse(const HttpRequest &request, int status, uint64_t bytes);
  void onAnswer(const HttpRequest &request, uint64_t promptTokens, uint64_t completionTokens,
                uint64_t cachedTokens);
  /// Something in the life of the server: "listening", "draining", ...
  void onEvent(std::string_view event, std::string_view detail);

private:
  const LogFormat format;
  const bool prompts;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_REQUESTLOG_H
