//===- ApiErrors.h - Errors as the reference API words them -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_APIERRORS_H
#define TENON_RUNTIME_SERVER_APIERRORS_H

#include "runtime/base/Status.h"
#include "runtime/server/HttpMessage.h"

#include <cstdint>
#include <string>

namespace tenon::server {

/// An error on its way to a client. The body is exactly
/// {"error":{"message":string,"type":string,"param":string|null,"code":string|null}}.
struct ApiError {
  int status = 400;
  std::string message; ///< Names what was found, what was wanted and what to do.
  std::string type = "invalid_request_error";
  std::string param;       ///< Empty: null.
  std::string code;        ///< Empty: null.
  uint32_t retryAfter = 0; ///< Seconds; 0: no header.

  std::string body() const;
  void answer(Responder &responder) const;

  static ApiError invalid(std::string param, std::string code, std::string message);
  static ApiError missing(std::string param);
  static ApiError notFound(std::string code, std::string message);
  static ApiError unauthorized(bool given);
  /// The client has more in progress than it may.
  static ApiError tooMany(std::string message);
  /// The server has more to do than it can promise.
  static ApiError overloaded(std::string message, uint32_t retryAfter);
  /// What went wrong inside. Says nothing of where.
  static ApiError fromStatus(const Status &status);
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_APIERRORS_H
