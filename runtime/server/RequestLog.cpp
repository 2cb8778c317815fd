//===- RequestLog.cpp - One line for each request -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/RequestLog.h"

#include "runtime/base/Clock.h"
#include "runtime/server/JsonText.h"
#include "runtime/text/Utf8.h"

#include <fmt/core.h>

#include <ctime>
#include <unistd.h>

namespace tenon::server {

static std::string timestamp() {
  struct timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  struct tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     now.tv_nsec / 1'000'000);
}

/// What a client sent, fit for a line.
static std::string quoted(std::string_view text) {
  std::string clean, out;
  text::appendSanitized(clean, text);
  appendJsonString(out, clean);
  return out;
}

/// One write, so that lines of threads do not mix. A log that cannot be written stops nothing.
static void put(std::string line) {
  line += '\n';
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

void RequestLog::onResponse(const HttpRequest &request, int status, uint64_t bytes) {
  if (format == LogFormat::Off)
    return;
  const double ms = double(nowNanos() - request.arrivedNanos) * 1e-6;
  if (format == LogFormat::Text)
    return put(fmt::format("{} {} {} {} {} {:.1f} ms {} bytes", timestamp(), request.id,
                           request.method, quoted(request.path), status, ms, bytes));
  std::string body;
  if (prompts)
    body = ",\"body\":" + quoted(request.body);
  put(fmt::format(R"({{"time":"{}","event":"request","id":{},"method":{},"path":{},"status":{},)"
                  R"("milliseconds":{:.3f},"bytes":{}{}}})",
                  timestamp(), quoted(request.id), quoted(request.method), quoted(request.path),
                  status, ms, bytes, body));
}

void RequestLog::onAnswer(const HttpRequest &request, uint64_t promptTokens,
                          uint64_t completionTokens, uint64_t cachedTokens) {
  if (format == LogFormat::Off)
    return;
  if (format == LogFormat::Text)
    return put(fmt::format("{} {} {} prompt tokens ({} cached), {} new", timestamp(), request.id,
                           promptTokens, cachedTokens, completionTokens));
  put(fmt::format(R"({{"time":"{}","event":"answer","id":{},"prompt_tokens":{},)"
                  R"("cached_tokens":{},"completion_tokens":{}}})",
                  timestamp(), quoted(request.id), promptTokens, cachedTokens, completionTokens));
}

void RequestLog::onEvent(std::string_view event, std::string_view detail) {
  if (format == LogFormat::Json)
    put(fmt::format(R"({{"time":"{}","event":{},"detail":{}}})", timestamp(), quoted(event),
                    quoted(detail)));
  else
    put(fmt::format("{} {}: {}", timestamp(), event, detail));
}

} // namespace tenon::server
