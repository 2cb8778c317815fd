//===- Lexer.cpp - Tokens of a chat template ------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Lexer.h"
#include "runtime/text/UnicodeClass.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/PythonString.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace tenon::text::jinja {
namespace {

/// \r\n and \r become \n; one newline at the end goes.
std::string normalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n')
      ++i;
  }
  if (out.ends_with('\n'))
    out.pop_back();
  return out;
}

bool isDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
public:
  Lexer(Budget &b, std::string_view text) : budget(b), source(normalizeNewlines(text)) {}

  std::vector<Token> run() {
    while (at < source.size())
      dataAndTag();
    add(TokenKind::End, {});
    return std::move(tokens);
  }

private:
  void add(TokenKind kind, std::string text) { tokens.push_back({kind, line, std::move(text)}); }

  [[noreturn]] void fail(const std::string &what) {
    budget.line = line;
    budget.fail(what);
  }

  void advance(size_t to) {
    line +=
        uint32_t(std::count(source.begin() + ptrdiff_t(at), source.begin() + ptrdiff_t(to), '\n'));
    at = to;
  }

  bool startsWith(size_t offset, std::string_view what) const {
    return std::string_view(source).substr(std::min(offset, source.size())).starts_with(what);
  }

  size_t skipSpace(size_t offset) const {
    while (offset < source.size()) {
      size_t next = offset;
      if (!isSpace(nextCodePoint(source, next)))
        break;
      offset = next;
    }
    return offset;
  }

  char signAt(size_t offset) const {
    return offset < source.size() && (source[offset] == '-' || source[offset] == '+')
               ? source[offset]
               : 0;
  }

  /// The text before a tag, less what the tag's sign or lstrip_blocks takes off its end.
  std::string_view beforeTag(size_t begin, size_t end, char sign, bool isVariable) const {
    const std::string_view text = std::string_view(source).substr(begin, end - begin);
    if (sign == '-')
      return strip(text, Side::Right, std::nullopt);
    if (sign == '+' || isVariable)
      return text;
    const size_t newline = text.rfind('\n');
    const bool atLineStart = begin == 0 || source[begin - 1] == '\n';
    if (newline == text.npos && !atLineStart)
      return text;
    const size_t lineBegin = newline == text.npos ? 0 : newline + 1;
    return strip(text.substr(lineBegin), Side::Left, std::nullopt).empty()
               ? text.substr(0, lineBegin)
               : text;
  }

  /// The offset behind a tag's end that starts at `offset`: "%}" with trim_blocks, or a sign before
  /// it.
  size_t afterEnd(size_t offset, std::string_view end, bool trims) const {
    if (startsWith(offset, "-") && startsWith(offset + 1, end))
      return skipSpace(offset + 1 + end.size());
    if (trims && startsWith(offset, "+") && startsWith(offset + 1, end))
      return offset + 1 + end.size();
    if (!startsWith(offset, end))
      return 0;
    offset += end.size();
    return trims && startsWith(offset, "\n") ? offset + 1 : offset;
  }

  void dataAndTag() {
    size_t open = at;
    for (;; ++open) {
      open = source.find('{', open);
      if (open == source.npos || startsWith(open, "{%") || startsWith(open, "{{") ||
          startsWith(open, "{#"))
        break;
    }
    if (open == source.npos) {
      add(TokenKind::Data, source.substr(at));
      advance(source.size());
      return;
    }
    const char type = source[open + 1];
    const char sign = signAt(open + 2);
    const std::string_view data = beforeTag(at, open, sign, type == '{');
    if (!data.empty())
      add(TokenKind::Data, std::string(data));
    advance(open + 2 + (sign ? 1 : 0));
    if (type == '#')
      return comment();
    if (type == '%') {
      if (const size_t content = afterWord(at, "raw"))
        return raw(content);
      add(TokenKind::BlockBegin, "{%");
      return expression("%}", TokenKind::BlockEnd);
    }
    add(TokenKind::VariableBegin, "{{");
    expression("}}", TokenKind::VariableEnd);
  }

  void comment() {
    const size_t end = source.find("#}", at);
    if (end == source.npos)
      fail("a comment has no end");
    const size_t sign = end > at && signAt(end - 1) ? end - 1 : end;
    advance(afterEnd(sign, "#}", true));
  }

  /// `\s*WORD\s*(?:-%}\s*|%})` at `offset`: the offset behind it, or 0.
  size_t afterWord(size_t offset, std::string_view word) const {
    offset = skipSpace(offset);
    if (!startsWith(offset, word))
      return 0;
    offset = skipSpace(offset + word.size());
    return afterEnd(offset, "%}", word == "endraw");
  }

  void raw(size_t content) {
    advance(content);
    for (size_t open = at; (open = source.find("{%", open)) != source.npos; open += 2) {
      const char sign = signAt(open + 2);
      if (const size_t after = afterWord(open + 2 + (sign ? 1 : 0), "endraw")) {
        const std::string_view data = beforeTag(at, open, sign, false);
        if (!data.empty())
          add(TokenKind::Data, std::string(data));
        advance(after);
        return;
      }
    }
    fail("{% raw %} has no {% endraw %}");
  }

  void expression(std::string_view end, TokenKind endKind) {
    std::string open; // Brackets that are open.
    while (true) {
      advance(skipSpace(at));
      if (at >= source.size())
        fail("a tag has no '" + std::string(end) + "'");
      if (open.empty()) {
        if (const size_t after = afterEnd(at, end, endKind == TokenKind::BlockEnd)) {
          add(endKind, std::string(end));
          advance(after);
          return;
        }
      }
      const char c = source[at];
      if (isDigit(c))
        number();
      else if (c == '\'' || c == '"')
        string(c);
      else if (!name())
        symbol(open);
    }
  }

  /// Digits with single underscores between.
  size_t digitsEnd(size_t offset, std::string_view digits = "0123456789") const {
    size_t end = offset;
    while (end < source.size()) {
      const size_t next = source[end] == '_' && end > offset ? end + 1 : end;
      if (next >= source.size() || digits.find(source[next]) == digits.npos)
        break;
      end = next + 1;
    }
    return end;
  }

  void number() {
    size_t end = digitsEnd(at);
    bool isReal = false;
    if (at == 0 || source[at - 1] != '.') {
      if (startsWith(end, ".") && digitsEnd(end + 1) > end + 1) {
        end = digitsEnd(end + 1);
        isReal = true;
      }
      if (end < source.size() && (source[end] == 'e' || source[end] == 'E')) {
        const size_t exponent = end + 1 + (signAt(end + 1) ? 1 : 0);
        if (digitsEnd(exponent) > exponent) {
          end = digitsEnd(exponent);
          isReal = true;
        }
      }
    }
    int base = 10;
    size_t begin = at;
    if (!isReal && source[at] == '0' && at + 1 < source.size()) {
      const char kind = char(source[at + 1] | 0x20);
      base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
      if (base != 10) {
        begin = at + 2 + (startsWith(at + 2, "_") ? 1 : 0);
        end = digitsEnd(begin, base == 16  ? "0123456789abcdefABCDEF"
                               : base == 8 ? "01234567"
                                           : "01");
      }
    }
    std::string digits = source.substr(begin, end - begin);
    std::erase(digits, '_');
    if (digits.empty() ||
        (!isReal && base == 10 && digits[0] == '0' && digits.find_first_not_of('0') != digits.npos))
      fail("'" + source.substr(at, std::max<size_t>(end - at, 1)) + "' is no number");
    Token token{isReal ? TokenKind::Float : TokenKind::Integer, line, source.substr(at, end - at)};
    const char *last = digits.data() + digits.size();
    const auto result = isReal ? std::from_chars(digits.data(), last, token.real)
                               : std::from_chars(digits.data(), last, token.integer, base);
    if (result.ec == std::errc::result_out_of_range && isReal) // strtod's answer: 0 or infinity
      token.real = std::strtod(digits.c_str(), nullptr);
    else if (result.ec != std::errc() || result.ptr != last)
      fail("the number " + token.text + " does not fit 64 bits");
    tokens.push_back(std::move(token));
    advance(end);
  }

  bool name() {
    size_t end = at;
    while (end < source.size()) {
      size_t next = end;
      const char32_t c = nextCodePoint(source, next);
      const bool isStart = c == '_' || (unicodeClass(c) & kLetter);
      if (!isStart && (end == at || !(unicodeClass(c) & (kNumber | kPythonDecimal))))
        break;
      end = next;
    }
    if (end == at)
      return false;
    add(TokenKind::Name, source.substr(at, end - at));
    advance(end);
    return true;
  }

  void string(char quote) {
    std::string value;
    size_t i = at + 1;
    while (i < source.size() && source[i] != quote) {
      if (source[i] != '\\') {
        value += source[i++];
        continue;
      }
      if (++i >= source.size())
        break;
      i = escape(i, value);
    }
    if (i >= source.size())
      fail("a string has no end");
    add(TokenKind::String, std::move(value));
    advance(i + 1);
  }

  /// Reads the escape whose character behind the backslash is at `i`; returns the offset behind it.
  size_t escape(size_t i, std::string &value) {
    static constexpr std::string_view kFrom = "abfnrtv\\'\"", kTo = "\a\b\f\n\r\t\v\\'\"";
    const char c = source[i];
    if (const size_t known = kFrom.find(c); known != kFrom.npos) {
      value += kTo[known];
      return i + 1;
    }
    if (c == '\n')
      return i + 1;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (digits != 0) {
      if (i + 1 + digits > source.size())
        fail("an escape in a string is too short");
      const char *begin = source.data() + i + 1;
      const auto result = std::from_chars(begin, begin + digits, code, 16);
      if (result.ptr != begin + digits || code > 0x10ffff)
        fail("'\\" + source.substr(i, 1 + digits) + "' is no character");
      i += 1 + digits;
    } else if (c >= '0' && c <= '7') {
      for (digits = 0; digits < 3 && i < source.size() && source[i] >= '0' && source[i] <= '7';
           ++digits)
        code = code * 8 + uint32_t(source[i++] - '0');
    } else {
      value += '\\'; // Unknown escapes stand for themselves.
      return i;
    }
    appendUtf8(value, code >= 0xd800 && code < 0xe000 ? kReplacement : char32_t(code));
    return i;
  }

  void symbol(std::string &open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    const char c = source[at];
    for (const std::string_view two : kTwo)
      if (startsWith(at, two)) {
        add(TokenKind::Operator, std::string(two));
        return advance(at + 2);
      }
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos) {
      const size_t length = sequenceLength(c);
      fail("unexpected character '" + source.substr(at, length) + "'");
    }
    if (c == '(' || c == '[' || c == '{')
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c)
        fail(std::string("unexpected '") + c + "'");
      open.pop_back();
    }
    add(TokenKind::Operator, std::string(1, c));
    advance(at + 1);
  }

  Budget &budget;
  const std::string source;
  size_t at = 0;
  uint32_t line = 1;
  std::vector<Token> tokens;
};

} // namespace

std::vector<Token> tokenize(Budget &budget, std::string_view source) {
  return Lexer(budget, source).run();
}

} // namespace tenon::text::jinja
