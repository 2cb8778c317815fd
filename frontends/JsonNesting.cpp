//===- JsonNesting.cpp - How deep a JSON text nests -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/JsonNesting.h"

namespace tenon::frontend {

bool nestsDeeperThan(llvm::StringRef text, uint32_t limit) {
  uint32_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && (text[i] == '[' || text[i] == '{') && ++depth > limit)
      return true;
    else if (!quoted && (text[i] == ']' || text[i] == '}') && depth > 0)
      --depth;
  }
  return false;
}

} // namespace tenon::frontend
