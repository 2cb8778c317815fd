//===- AnswerFormat.h - How an API words an answer --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_ANSWERFORMAT_H
#define TENON_RUNTIME_SERVER_ANSWERFORMAT_H

#include "runtime/server/Choice.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::server {

struct Usage {
  uint64_t promptTokens = 0, completionTokens = 0, cachedTokens = 0;
  /// Appends {"prompt_tokens":...,...}.
  void append(std::string &out) const;
};

/// One per request. Streams are server-sent events: each call appends whole events.
class AnswerFormat {
public:
  virtual ~AnswerFormat() = default;

  /// Before anything else of a stream.
  virtual void streamBegin(std::string &out) {}
  /// News of a choice: its text, its details, and its end if it has one and none was written.
  virtual void streamNews(std::string &out, uint32_t index, Choice &choice) = 0;
  /// After the last choice has ended.
  virtual void streamEnd(std::string &out, std::span<Choice> choices, const Usage &usage) = 0;
  /// The stream breaks off; `body` is an error's JSON.
  virtual void streamError(std::string &out, std::string_view body);

  /// The whole answer.
  virtual std::string whole(std::span<Choice> choices, const Usage &usage) = 0;
};

/// What every object of an answer begins with, as JSON text without the leading brace.
struct AnswerHead {
  std::string id;
  int64_t created = 0;
  std::string model, fingerprint;
};

/// Appends "data: " + `json` + the event's end.
void appendEvent(std::string &out, std::string_view json);

/// The text of a token for people, with U+FFFD where it is no UTF-8.
std::string tokenText(const text::Tokenizer &tokenizer, int32_t id);

/// Seconds since 1970.
int64_t unixTime();
/// `prefix` and 24 random hexadecimal digits.
std::string randomId(std::string_view prefix);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_ANSWERFORMAT_H
