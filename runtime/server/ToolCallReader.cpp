//===- ToolCallReader.cpp - Calls within an answer ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ToolCallReader.h"

#include <algorithm>

namespace tenon::server {

static constexpr std::string_view kBegin = "<tool_call>", kEnd = "</tool_call>";
static constexpr std::string_view kName = "\"name\": \"", kArguments = "\", \"arguments\": ";
static constexpr std::string_view kSpace = " \t\r\n";

void ToolCallReader::push(std::string_view text, std::vector<Piece> &out) {
  held += text;
  for (bool more = true; more;) {
    switch (state) {
    case State::Text:
      more = readText(out);
      break;
    case State::Head:
      more = readHead(out);
      break;
    case State::Arguments:
      more = readArguments(out);
      break;
    case State::Tail: {
      const size_t at = held.find(kEnd);
      more = at != std::string::npos;
      if (more) {
        held.erase(0, at + kEnd.size());
        state = State::Text;
      }
      break;
    }
    }
  }
}

bool ToolCallReader::readText(std::vector<Piece> &out) {
  const size_t begin = held.find(kBegin);
  // Up to a call, or to what may be the beginning of one; white space before either waits.
  size_t end = begin;
  if (begin == std::string::npos) {
    end = held.size();
    for (size_t n = std::min(kBegin.size() - 1, held.size()); n > 0; --n)
      if (held.ends_with(kBegin.substr(0, n))) {
        end -= n;
        break;
      }
  }
  const size_t last = end == 0 ? std::string::npos : held.find_last_not_of(kSpace, end - 1);
  const size_t text = last == std::string::npos ? 0 : last + 1;
  if (text > 0) {
    const size_t first = fresh ? held.find_first_not_of(kSpace) : 0;
    fresh = false;
    out.push_back({Piece::Kind::Text, held.substr(first, text - first)});
  }
  if (begin == std::string::npos) {
    held.erase(0, text);
    return false;
  }
  held.erase(0, begin + kBegin.size());
  any = fresh = true;
  state = State::Head;
  return true;
}

bool ToolCallReader::readHead(std::vector<Piece> &out) {
  const size_t end = held.find(kArguments);
  const size_t name = held.find(kName);
  if (end == std::string::npos || name == std::string::npos || name + kName.size() > end)
    return false;
  out.push_back({Piece::Kind::Name, held.substr(name + kName.size(), end - name - kName.size())});
  held.erase(0, end + kArguments.size());
  depth = 0;
  begun = quoted = escaped = false;
  state = State::Arguments;
  return true;
}

bool ToolCallReader::readArguments(std::vector<Piece> &out) {
  size_t begin = 0;
  if (held.empty())
    return false;
  if (!begun) {
    begin = std::min(held.find_first_not_of(kSpace), held.size());
    if (begin == held.size())
      return false;
    begun = true;
  }
  for (size_t i = begin; i < held.size(); ++i) {
    const char c = held[i];
    if (quoted) {
      quoted = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && depth > 0 && --depth == 0) {
      out.push_back({Piece::Kind::Arguments, held.substr(begin, i + 1 - begin)});
      out.push_back({Piece::Kind::End, {}});
      ++calls;
      held.erase(0, i + 1);
      state = State::Tail;
      return true;
    }
  }
  out.push_back({Piece::Kind::Arguments, held.substr(begin)});
  held.clear();
  return false;
}

void ToolCallReader::finish(std::vector<Piece> &out) {
  if (state == State::Text && !held.empty() &&
      (!any || held.find_first_not_of(kSpace) != std::string::npos))
    out.push_back({Piece::Kind::Text, held});
  held.clear();
}

} // namespace tenon::server
