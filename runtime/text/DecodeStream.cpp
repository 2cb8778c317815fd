//===- DecodeStream.cpp - Text as it is generated -------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Tokenizer.h"
#include "runtime/text/TokenizerTables.h"
#include "runtime/text/Utf8.h"

namespace tenon::text {

DecodeStream::DecodeStream(const Tokenizer &t, bool skip) : tokenizer(t), skipSpecial(skip) {}

std::string_view DecodeStream::push(int32_t id) {
  ready.clear();
  const TokenizerTables &tables = *tokenizer.tables;
  if (!tables.has(id) || (skipSpecial && tokenizer.isSpecial(id)))
    return ready;
  const bool byteLevel = tables.algorithm == fb::text::Algorithm_ByteLevelBpe;
  const bool isByte = tables.kinds[id] == fb::text::TokenKind_Byte;
  if (!byteLevel && !isByte) {
    // A byte token's sequence does not go on in a piece.
    for (size_t i = 0; i < pending.size(); ++i)
      appendUtf8(ready, kReplacement);
    pending.clear();
  }

  pending += tables.text(id);
  std::string_view rest = pending;
  while (!rest.empty()) {
    const size_t good = validPrefix(rest);
    ready += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty())
      break;
    const Utf8Sequence bad = readUtf8(rest);
    if (bad.incomplete && (byteLevel || isByte))
      break;
    // Byte-level text has one U+FFFD for a maximal invalid part, byte tokens have one for each
    // byte.
    for (size_t i = 0; i < (byteLevel ? 1 : bad.length); ++i)
      appendUtf8(ready, kReplacement);
    rest.remove_prefix(bad.length);
  }
  pending.erase(0, pending.size() - rest.size());

  if (atStart && !(ready.empty() && pending.empty())) {
    if (tables.addSpacePrefix && ready.starts_with(' '))
      ready.erase(0, 1);
    atStart = false;
  }
  return ready;
}

std::string_view DecodeStream::finish() {
  ready.clear();
  if (tokenizer.tables->algorithm == fb::text::Algorithm_ByteLevelBpe)
    appendSanitized(ready, pending);
  else
    for (size_t i = 0; i < pending.size(); ++i)
      appendUtf8(ready, kReplacement);
  pending.clear();
  atStart = true;
  return ready;
}

} // namespace tenon::text
