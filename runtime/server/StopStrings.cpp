//===- StopStrings.cpp - Ends an answer at given words --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/StopStrings.h"

#include <algorithm>

namespace tenon::server {

/// Bytes at the end of `text` that are a proper beginning of `wanted`.
static size_t overlap(std::string_view text, std::string_view wanted) {
  for (size_t n = std::min(text.size(), wanted.size() - 1); n > 0; --n)
    if (text.substr(text.size() - n) == wanted.substr(0, n))
      return n;
  return 0;
}

bool StopStrings::push(std::string_view piece, std::string &out) {
  if (found)
    return true;
  if (strings.empty()) {
    out += piece;
    return false;
  }
  held += piece;
  size_t first = std::string::npos, keep = 0;
  for (const std::string &s : strings) {
    first = std::min(first, held.find(s));
    keep = std::max(keep, overlap(held, s));
  }
  found = first != std::string::npos;
  const size_t sure = found ? first : held.size() - keep;
  out.append(held, 0, sure);
  held.erase(0, found ? std::string::npos : sure);
  return found;
}

void StopStrings::finish(std::string &out) {
  if (!found)
    out += held;
  held.clear();
}

} // namespace tenon::server
