//===- JsonText.cpp - JSON written without a document ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/JsonText.h"

#include <charconv>
#include <cmath>

namespace tenon::server {

void appendJsonString(std::string &out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t plain = 0; // First byte not yet written.
  const auto escape = [&](size_t at, size_t bytes, std::string_view as) {
    out.append(text, plain, at - plain);
    out += as;
    plain = at + bytes;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"')
      escape(i, 1, "\\\"");
    else if (c == '\\')
      escape(i, 1, "\\\\");
    else if (c == '\n')
      escape(i, 1, "\\n");
    else if (c < 0x20 || c == 0x7f) {
      const char code[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      escape(i, 1, {code, sizeof(code)});
    } else if (c == 0xe2 && text.substr(i, 3) == "\xe2\x80\xa8")
      escape(i, 3, "\\u2028");
    else if (c == 0xe2 && text.substr(i, 3) == "\xe2\x80\xa9")
      escape(i, 3, "\\u2029");
  }
  out.append(text, plain);
  out += '"';
}

void appendJsonNumber(std::string &out, float value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, error == std::errc() ? end : digits);
}

void appendBase64(std::string &out, std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = [&](size_t i) {
    return i < bytes.size() ? uint32_t(static_cast<uint8_t>(bytes[i])) : 0;
  };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    const size_t left = bytes.size() - i;
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += left > 1 ? kDigits[group >> 6 & 63] : '=';
    out += left > 2 ? kDigits[group & 63] : '=';
  }
}

} // namespace tenon::server
