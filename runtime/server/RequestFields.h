//===- RequestFields.h - Strict reading of a request's JSON -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// As the reference API reads: fields that nobody asks for are ignored, null counts as absent, and a
// value of the wrong type or outside its range is refused by name. A whole number may be spelled
// with a fraction of zero (JSON has one kind of number); true is never a number, nor "1".
//
#ifndef TENON_RUNTIME_SERVER_REQUESTFIELDS_H
#define TENON_RUNTIME_SERVER_REQUESTFIELDS_H

#include "runtime/server/ApiErrors.h"

#include <boost/json.hpp>

#include <optional>
#include <string_view>

namespace tenon::server {

/// Parses a body: an object of at most `depth` levels in valid UTF-8.
std::optional<boost::json::object> parseBody(std::string_view body, uint32_t depth,
                                             ApiError &error);

/// Reads an object's fields. The first wrong one is kept; what is read after it may be default
/// values, so check failed() before use.
class RequestFields {
public:
  /// `prefix` goes before names in errors, as in "stream_options.".
  explicit RequestFields(const boost::json::object &object, std::string prefix = {})
      : object(object), prefix(std::move(prefix)) {}

  /// Null if absent or null.
  const boost::json::value *find(std::string_view name) const;

  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
  /// `openBelow`: `least` itself is not allowed.
  std::optional<double> number(std::string_view name, double least, double most,
                               bool openBelow = false);
  std::optional<std::string_view> string(std::string_view name, size_t maxCharacters = SIZE_MAX);
  const boost::json::array *array(std::string_view name, size_t maxSize = SIZE_MAX);
  const boost::json::object *objectAt(std::string_view name);

  /// Records an error unless there is one.
  void refuse(std::string_view name, std::string code, std::string message);
  void refuseType(std::string_view name, const char *wanted, const boost::json::value &found);
  void take(std::optional<ApiError> error) {
    if (!failure)
      failure = std::move(error);
  }

  bool failed() const { return failure.has_value(); }
  const ApiError &error() const { return *failure; }

private:
  const boost::json::object &object;
  const std::string prefix;
  std::optional<ApiError> failure;
};

/// "a string", "an integer", ... of a value.
const char *kindName(const boost::json::value &value);

/// Code points of valid UTF-8: what limits on strings count, as JSON Schema does.
size_t countCharacters(std::string_view text);

/// The value as a whole number, if it is one.
std::optional<int64_t> asInteger(const boost::json::value &value);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_REQUESTFIELDS_H
