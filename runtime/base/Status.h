//===- Status.h - Errors of the runtime -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// One small status and one status-or-value. Nothing in the runtime throws across a module; whoever
// calls a library that throws catches at that call.
//
#ifndef TENON_RUNTIME_BASE_STATUS_H
#define TENON_RUNTIME_BASE_STATUS_H

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace tenon {

/// What kind of failure a status reports. Tools map these to exit codes, the server to HTTP codes.
enum class StatusCode {
  Ok,
  InvalidArgument,   ///< The caller's input is wrong; the message says what was wanted.
  NotFound,          ///< A file, model or symbol is not there.
  DataLoss,          ///< Bytes from outside are truncated, flipped or lie about themselves.
  Unsupported,       ///< Well-formed, but this build or machine cannot do it.
  ResourceExhausted, ///< Memory, KV blocks or a stated limit ran out.
  DeadlineExceeded,
  Cancelled,
  Unavailable, ///< A process or chip that the work needs is gone.
  Internal,    ///< A promise of our own was broken.
};

/// Success, or a code with a message that says what was found, what was wanted and what to do.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(StatusCode code, std::string message) : statusCode(code), text(std::move(message)) {}

  static Status ok() { return {}; }
  static Status invalidArgument(std::string m) {
    return {StatusCode::InvalidArgument, std::move(m)};
  }
  static Status notFound(std::string m) { return {StatusCode::NotFound, std::move(m)}; }
  static Status dataLoss(std::string m) { return {StatusCode::DataLoss, std::move(m)}; }
  static Status unsupported(std::string m) { return {StatusCode::Unsupported, std::move(m)}; }
  static Status resourceExhausted(std::string m) {
    return {StatusCode::ResourceExhausted, std::move(m)};
  }
  static Status unavailable(std::string m) { return {StatusCode::Unavailable, std::move(m)}; }
  static Status internal(std::string m) { return {StatusCode::Internal, std::move(m)}; }

  bool isOk() const { return statusCode == StatusCode::Ok; }
  explicit operator bool() const { return isOk(); }
  StatusCode code() const { return statusCode; }
  const std::string &message() const { return text; }

private:
  StatusCode statusCode = StatusCode::Ok;
  std::string text;
};

/// A value, or the status that says why there is none. Never holds an Ok status without a value.
template <typename T> class [[nodiscard]] StatusOr {
public:
  StatusOr(Status status) : failure(std::move(status)) { assert(!failure.isOk()); }
  StatusOr(T value) : held(std::move(value)) {}

  bool isOk() const { return held.has_value(); }
  explicit operator bool() const { return isOk(); }
  const Status &status() const { return failure; }
  T &operator*() & { return *held; }
  const T &operator*() const & { return *held; }
  T &&operator*() && { return std::move(*held); }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }

private:
  Status failure;
  std::optional<T> held;
};

} // namespace tenon

/// Returns the status from the enclosing function when `expr` failed.
#define TENON_RETURN_IF_ERROR(expr)                                                                \
  do {                                                                                             \
    if (::tenon::Status tenonStatus = (expr); !tenonStatus.isOk())                                 \
      return tenonStatus;                                                                          \
  } while (false)

#endif // TENON_RUNTIME_BASE_STATUS_H
