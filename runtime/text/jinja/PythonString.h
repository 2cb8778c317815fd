//===- PythonString.h - What Python's str does ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// On valid UTF-8; positions and counts are in code points.
//
#ifndef TENON_RUNTIME_TEXT_JINJA_PYTHONSTRING_H
#define TENON_RUNTIME_TEXT_JINJA_PYTHONSTRING_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::text::jinja {

bool isPrintable(char32_t c);
bool isSpace(char32_t c);
bool isUpper(char32_t c);
bool isLower(char32_t c);
/// Has upper, lower or title case.
bool isCased(char32_t c);

/// A final capital sigma becomes a final small one where a letter with case stands before and none
/// after.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string title(std::string_view text);
std::string capitalize(std::string_view text);
std::string swapCase(std::string_view text);

enum class Side : uint8_t { Left = 1, Right = 2, Both = 3 };
/// Without the characters of `what` (absent: white space) at its ends.
std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> what);

/// text.split(separator, most) or rsplit; no separator: at runs of white space. most < 0: all.
/// `separator` is not empty.
std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most, bool fromRight);
std::vector<std::string> splitLines(std::string_view text, bool keepEnds);

/// text.replace(from, to, most); most < 0: all. Replacing would pass `limit` bytes: nullopt.
std::optional<std::string> replace(std::string_view text, std::string_view from,
                                   std::string_view to, int64_t most, size_t limit);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_PYTHONSTRING_H
