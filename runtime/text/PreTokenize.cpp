//===- PreTokenize.cpp - Words of byte-level BPE --------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/PreTokenize.h"
#include "runtime/text/UnicodeClass.h"
#include "runtime/text/Utf8.h"

namespace tenon::text {
namespace {

using fb::text::PreTokenizer;

struct NamedPreTokenizer {
  std::string_view name;
  PreTokenizer kind;
};

// "default" and an absent name are GPT-2's, as Hugging Face reads a file that names none.
constexpr NamedPreTokenizer kByName[] = {
    {"", fb::text::PreTokenizer_Gpt2},
    {"default", fb::text::PreTokenizer_Gpt2},
    {"gpt-2", fb::text::PreTokenizer_Gpt2},
    {"smollm", fb::text::PreTokenizer_SmolLm},
    {"llama-bpe", fb::text::PreTokenizer_Llama3},
    {"llama3", fb::text::PreTokenizer_Llama3},
    {"llama-v3", fb::text::PreTokenizer_Llama3},
    {"qwen2", fb::text::PreTokenizer_Qwen2},
    {"deepseek-r1-qwen", fb::text::PreTokenizer_Qwen2},
};

/// One character of the text, or the end.
struct Char {
  char32_t code = 0;
  uint8_t classes = 0;
  bool present = false;
  size_t end = 0;

  bool isLetter() const { return classes & kLetter; }
  bool isNumber() const { return classes & kNumber; }
  bool isNumeric() const { return classes & kNumeric; }
  bool isSpace() const { return classes & kSpace; }
  bool isNewline() const { return present && (code == '\r' || code == '\n'); }
  /// [^\s\p{L}\p{N}]
  bool isOther() const { return present && !(classes & (kLetter | kNumber | kSpace)); }
};

Char charAt(std::string_view text, size_t offset) {
  Char c;
  c.end = offset;
  if (offset >= text.size())
    return c;
  c.present = true;
  c.code = nextCodePoint(text, c.end);
  c.classes = unicodeClass(c.code);
  return c;
}

template <typename Predicate> size_t runEnd(std::string_view text, size_t offset, Predicate in) {
  for (Char c = charAt(text, offset); c.present && in(c); c = charAt(text, offset))
    offset = c.end;
  return offset;
}

/// 's|'t|'re|'ve|'m|'ll|'d at an apostrophe, or 0. Case-insensitively, U+017F is an s as well.
size_t contractionEnd(std::string_view text, size_t apostrophe, bool ignoreCase) {
  const Char first = charAt(text, apostrophe + 1);
  const Char second = charAt(text, first.end);
  const auto fold = [&](const Char &c) -> char32_t {
    if (!ignoreCase)
      return c.code;
    return c.code >= 'A' && c.code <= 'Z' ? c.code + 32 : c.code == 0x17f ? U's' : c.code;
  };
  if (!first.present)
    return 0;
  switch (fold(first)) {
  case 's':
  case 't':
  case 'm':
  case 'd':
    return first.end;
  case 'r':
  case 'v':
    return second.present && fold(second) == 'e' ? second.end : 0;
  case 'l':
    return second.present && fold(second) == 'l' ? second.end : 0;
  default:
    return 0;
  }
}

/// \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows. `endsSegment` says
/// that what follows counts as the end of the text.
template <typename EndsSegment>
size_t spaceRunEnd(std::string_view text, size_t begin, EndsSegment endsSegment) {
  size_t last = begin, end = begin;
  for (Char c = charAt(text, begin); c.isSpace(); c = charAt(text, end)) {
    last = end;
    end = c.end;
  }
  const Char next = charAt(text, end);
  return !next.present || endsSegment(next) || last == begin ? end : last;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// SmolLM2 first sets every numeric character apart; the rest of the text are segments to this
/// pattern.
size_t gpt2WordEnd(std::string_view text, size_t begin, bool digitsApart) {
  const Char first = charAt(text, begin);
  const auto apart = [&](const Char &c) { return digitsApart && c.isNumeric(); };
  if (apart(first))
    return first.end;
  if (first.code == '\'')
    if (const size_t end = contractionEnd(text, begin, /*ignoreCase=*/false))
      return end;

  const Char head = first.code == ' ' ? charAt(text, first.end) : first;
  if (!apart(head)) {
    if (head.isLetter())
      return runEnd(text, head.end, [](const Char &c) { return c.isLetter(); });
    if (head.isNumber())
      return runEnd(text, head.end, [](const Char &c) { return c.isNumber(); });
    if (head.isOther())
      return runEnd(text, head.end, [&](const Char &c) { return c.isOther() && !apart(c); });
  }
  return spaceRunEnd(text, begin, apart);
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*
/// |\s*[\r\n]+|\s+(?!\S)|\s+
size_t llama3WordEnd(std::string_view text, size_t begin, int digits) {
  const Char first = charAt(text, begin);
  if (first.code == '\'')
    if (const size_t end = contractionEnd(text, begin, /*ignoreCase=*/true))
      return end;

  const auto isLetter = [](const Char &c) { return c.isLetter(); };
  if (first.isLetter())
    return runEnd(text, first.end, isLetter);
  if (!first.isNewline() && !first.isNumber()) {
    const Char second = charAt(text, first.end);
    if (second.isLetter())
      return runEnd(text, second.end, isLetter);
  }
  if (first.isNumber())
    return runEnd(text, first.end, [&](const Char &c) { return c.isNumber() && --digits > 0; });

  const Char head = first.code == ' ' ? charAt(text, first.end) : first;
  if (head.isOther()) {
    const size_t end = runEnd(text, head.end, [](const Char &c) { return c.isOther(); });
    return runEnd(text, end, [](const Char &c) { return c.isNewline(); });
  }

  size_t afterNewline = 0, end = begin;
  for (Char c = first; c.isSpace(); c = charAt(text, end)) {
    end = c.end;
    if (c.isNewline())
      afterNewline = end;
  }
  if (afterNewline != 0)
    return afterNewline;
  return spaceRunEnd(text, begin, [](const Char &) { return false; });
}

} // namespace

std::optional<PreTokenizer> preTokenizerByName(std::string_view name) {
  for (const NamedPreTokenizer &known : kByName)
    if (known.name == name)
      return known.kind;
  return std::nullopt;
}

std::string_view preTokenizerNames() {
  return "default, gpt-2, smollm, llama-bpe, llama3, llama-v3, qwen2, deepseek-r1-qwen";
}

size_t wordEnd(PreTokenizer kind, std::string_view text, size_t begin) {
  switch (kind) {
  case fb::text::PreTokenizer_Gpt2:
    return gpt2WordEnd(text, begin, /*digitsApart=*/false);
  case fb::text::PreTokenizer_SmolLm:
    return gpt2WordEnd(text, begin, /*digitsApart=*/true);
  case fb::text::PreTokenizer_Llama3:
    return llama3WordEnd(text, begin, 3);
  case fb::text::PreTokenizer_Qwen2:
    return llama3WordEnd(text, begin, 1);
  case fb::text::PreTokenizer_None:
    break;
  }
  return text.size();
}

} // namespace tenon::text
