//===- PythonString.cpp - What Python's str does --------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/PythonString.h"
#include "runtime/text/UnicodeClass.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <iterator>

namespace tenon::text::jinja {
namespace {

struct CaseMapping {
  uint32_t codePoint;
  const char *upper, *lower, *title;
};

constexpr CaseMapping kMappings[] = {
#include "runtime/text/CaseMappings.inc"
};

const CaseMapping *findMapping(char32_t c) {
  const auto found =
      std::lower_bound(std::begin(kMappings), std::end(kMappings), c,
                       [](const CaseMapping &m, char32_t wanted) { return m.codePoint < wanted; });
  return found != std::end(kMappings) && found->codePoint == c ? found : nullptr;
}

bool isAsciiUpper(char32_t c) { return c >= 'A' && c <= 'Z'; }
bool isAsciiLower(char32_t c) { return c >= 'a' && c <= 'z'; }

enum class To { Upper, Lower, Title };

void appendCase(std::string &out, char32_t c, To to) {
  if (c < 0x80) {
    out += char(to == To::Lower ? (isAsciiUpper(c) ? c + 32 : c) : (isAsciiLower(c) ? c - 32 : c));
    return;
  }
  const CaseMapping *mapping = findMapping(c);
  if (!mapping)
    appendUtf8(out, c);
  else
    out += to == To::Upper ? mapping->upper : to == To::Lower ? mapping->lower : mapping->title;
}

/// Unicode's Final_Sigma condition, where only apostrophes and marks without case are looked
/// through.
bool isFinalSigma(std::string_view text, size_t begin, size_t end) {
  const auto ignorable = [](char32_t c) {
    return c == '\'' || c == 0x2019 || c == '.' || c == ':' || c == 0xad ||
           (c >= 0x300 && c <= 0x36f);
  };
  bool before = false;
  for (size_t at = begin; at > 0;) {
    do
      --at;
    while ((uint8_t(text[at]) & 0xc0) == 0x80);
    size_t next = at;
    const char32_t c = nextCodePoint(text, next);
    if (ignorable(c))
      continue;
    before = isCased(c);
    break;
  }
  if (!before)
    return false;
  for (size_t at = end; at < text.size();) {
    const char32_t c = nextCodePoint(text, at);
    if (!ignorable(c))
      return !isCased(c);
  }
  return true;
}

void appendLower(std::string &out, std::string_view text, size_t begin, size_t end, char32_t c) {
  if (c == 0x3a3)
    appendUtf8(out, isFinalSigma(text, begin, end) ? 0x3c2 : 0x3c3);
  else
    appendCase(out, c, To::Lower);
}

bool isLineEnd(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

} // namespace

bool isPrintable(char32_t c) { return unicodeClass(c) & kPythonPrintable; }

bool isSpace(char32_t c) { return (c >= 0x1c && c <= 0x1f) || (unicodeClass(c) & kSpace); }

bool isUpper(char32_t c) {
  if (c < 0x80)
    return isAsciiUpper(c);
  std::string self;
  appendUtf8(self, c);
  const CaseMapping *mapping = findMapping(c);
  return mapping && self != mapping->lower && self == mapping->upper;
}

bool isLower(char32_t c) {
  if (c < 0x80)
    return isAsciiLower(c);
  std::string self;
  appendUtf8(self, c);
  const CaseMapping *mapping = findMapping(c);
  return mapping && self != mapping->upper && self == mapping->lower;
}

bool isCased(char32_t c) {
  return c < 0x80 ? isAsciiUpper(c) || isAsciiLower(c) : findMapping(c) != nullptr;
}

std::string lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    appendLower(out, text, begin, at, c);
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();)
    appendCase(out, nextCodePoint(text, at), To::Upper);
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    if (inWord)
      appendLower(out, text, begin, at, c);
    else
      appendCase(out, c, To::Title);
    inWord = isCased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    if (begin == 0)
      appendCase(out, c, To::Title);
    else
      appendLower(out, text, begin, at, c);
  }
  return out;
}

std::string swapCase(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    if (isUpper(c))
      appendLower(out, text, begin, at, c);
    else
      appendCase(out, c, isLower(c) ? To::Upper : To::Lower);
  }
  return out;
}

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> what) {
  const auto goes = [&](size_t begin, size_t end) {
    if (what)
      return what->find(text.substr(begin, end - begin)) != what->npos;
    return isSpace(nextCodePoint(text, begin));
  };
  size_t begin = 0, end = text.size();
  if (uint8_t(side) & uint8_t(Side::Left))
    for (size_t next; begin < end && goes(begin, next = begin + sequenceLength(text[begin]));)
      begin = next;
  if (uint8_t(side) & uint8_t(Side::Right))
    while (begin < end) {
      size_t last = end - 1;
      while (last > begin && (uint8_t(text[last]) & 0xc0) == 0x80)
        --last;
      if (!goes(last, end))
        break;
      end = last;
    }
  return text.substr(begin, end - begin);
}

static std::vector<std::string> splitAtSpaces(std::string_view text, int64_t most, bool fromRight) {
  std::vector<std::string> parts;
  const Side side = fromRight ? Side::Right : Side::Left;
  std::string_view rest = strip(text, side, std::nullopt);
  while (!rest.empty()) {
    if (most >= 0 && int64_t(parts.size()) == most) {
      parts.emplace_back(rest); // White space at its other end stays.
      break;
    }
    size_t cut = fromRight ? rest.size() : 0;
    if (fromRight)
      while (cut > 0) {
        size_t last = cut - 1;
        while (last > 0 && (uint8_t(rest[last]) & 0xc0) == 0x80)
          --last;
        size_t at = last;
        if (isSpace(nextCodePoint(rest, at)))
          break;
        cut = last;
      }
    else
      while (cut < rest.size()) {
        size_t next = cut;
        if (isSpace(nextCodePoint(rest, next)))
          break;
        cut = next;
      }
    parts.emplace_back(fromRight ? rest.substr(cut) : rest.substr(0, cut));
    rest = strip(fromRight ? rest.substr(0, cut) : rest.substr(cut), side, std::nullopt);
  }
  return parts;
}

std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most, bool fromRight) {
  std::vector<std::string> parts;
  if (!separator) {
    parts = splitAtSpaces(text, most, fromRight);
  } else {
    while (most < 0 || int64_t(parts.size()) < most) {
      const size_t at = fromRight ? text.rfind(*separator) : text.find(*separator);
      if (at == text.npos)
        break;
      const size_t after = at + separator->size();
      parts.emplace_back(fromRight ? text.substr(after) : text.substr(0, at));
      text = fromRight ? text.substr(0, at) : text.substr(after);
    }
    parts.emplace_back(text);
  }
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> splitLines(std::string_view text, bool keepEnds) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin, next = begin;
    bool ended = false;
    while (next < text.size() && !ended) {
      end = next;
      const char32_t c = nextCodePoint(text, next);
      ended = isLineEnd(c);
      if (c == '\r' && next < text.size() && text[next] == '\n')
        ++next;
    }
    if (!ended)
      end = next;
    lines.emplace_back(text.substr(begin, (keepEnds ? next : end) - begin));
    begin = next;
  }
  return lines;
}

std::optional<std::string> replace(std::string_view text, std::string_view from,
                                   std::string_view to, int64_t most, size_t limit) {
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    if (out.size() > limit)
      return std::nullopt;
    if (from.empty()) { // Between all characters.
      out += to;
      if (at == text.size())
        return out;
      const size_t length = sequenceLength(text[at]);
      out += text.substr(at, length);
      at += length;
      continue;
    }
    const size_t found = text.find(from, at);
    if (found == text.npos)
      break;
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return out.append(text.substr(at));
}

} // namespace tenon::text::jinja
