//===- JsonText.h - JSON written without a document -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_JSONTEXT_H
#define TENON_RUNTIME_SERVER_JSONTEXT_H

#include <string>
#include <string_view>

namespace tenon::server {

/// Appends `text` as a JSON string with its quotes. `text` is valid UTF-8; control characters,
/// quotes and backslashes are escaped, and U+2028/2029, which some readers of event streams take
/// for line ends.
void appendJsonString(std::string &out, std::string_view text);

/// Appends a number with as many digits as give the same float back; null if it is not finite.
void appendJsonNumber(std::string &out, float value);

/// Appends base64 (RFC 4648, section 4) of `bytes`, without quotes.
void appendBase64(std::string &out, std::string_view bytes);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_JSONTEXT_H
