//===- ApiErrors.cpp - Errors as the reference API words them -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ApiErrors.h"

#include "runtime/server/JsonText.h"
#include "runtime/text/Utf8.h"

namespace tenon::server {

static void appendOrNull(std::string &out, const std::string &text) {
  if (text.empty())
    out += "null";
  else
    appendJsonString(out, text);
}

std::string ApiError::body() const {
  std::string clean; // A message may quote what a client sent.
  text::appendSanitized(clean, message);
  std::string out = R"({"error":{"message":)";
  appendJsonString(out, clean);
  out += R"(,"type":)";
  appendJsonString(out, type);
  out += R"(,"param":)";
  appendOrNull(out, param);
  out += R"(,"code":)";
  appendOrNull(out, code);
  out += "}}";
  return out;
}

void ApiError::answer(Responder &responder) const {
  HttpHead head;
  head.status = status;
  if (retryAfter)
    head.headers.emplace_back("retry-after", std::to_string(retryAfter));
  if (status == 401)
    head.headers.emplace_back("www-authenticate", "Bearer");
  responder.respond(head, body());
}

ApiError ApiError::invalid(std::string param, std::string code, std::string message) {
  ApiError e;
  e.param = std::move(param);
  e.code = std::move(code);
  e.message = std::move(message);
  return e;
}

ApiError ApiError::missing(std::string param) {
  std::string message = "Missing required parameter: '" + param + "'.";
  return invalid(std::move(param), "missing_required_parameter", std::move(message));
}

ApiError ApiError::notFound(std::string code, std::string message) {
  ApiError e = invalid({}, std::move(code), std::move(message));
  e.status = 404;
  return e;
}

ApiError ApiError::unauthorized(bool given) {
  ApiError e = invalid({}, "invalid_api_key",
                       given ? "Incorrect API key provided."
                             : "You did not provide an API key. Send it in the header "
                               "'Authorization: Bearer YOUR_KEY'.");
  e.status = 401;
  return e;
}

ApiError ApiError::tooMany(std::string message) {
  ApiError e = invalid({}, "rate_limit_exceeded", std::move(message));
  e.status = 429;
  e.type = "rate_limit_error";
  e.retryAfter = 1;
  return e;
}

ApiError ApiError::overloaded(std::string message, uint32_t retryAfter) {
  ApiError e = invalid({}, "server_overloaded", std::move(message));
  e.status = 503;
  e.type = "server_error";
  e.retryAfter = retryAfter;
  return e;
}

ApiError ApiError::fromStatus(const Status &status) {
  ApiError e = invalid({}, {}, status.message());
  switch (status.code()) {
  case StatusCode::InvalidArgument:
  case StatusCode::Unsupported:
    return e;
  case StatusCode::NotFound:
    e.status = 404;
    return e;
  case StatusCode::DeadlineExceeded:
    e.status = 504;
    e.type = "server_error";
    e.code = "timeout";
    return e;
  case StatusCode::ResourceExhausted:
  case StatusCode::Cancelled:
  case StatusCode::Unavailable:
    if (status.code() == StatusCode::Unavailable) // Names hosts and processes.
      e.message = "A part of the server is unavailable.";
    e.status = 503;
    e.type = "server_error";
    e.code = "server_unavailable";
    e.retryAfter = 1;
    return e;
  default:
    e.status = 500;
    e.type = "server_error";
    e.code = "internal_error";
    e.message = "The server had an error while processing your request.";
    return e;
  }
}

} // namespace tenon::server
