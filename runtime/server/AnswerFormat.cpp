//===- AnswerFormat.cpp - How an API words an answer ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/AnswerFormat.h"

#include "runtime/text/Utf8.h"

#include <fmt/core.h>

#include <ctime>
#include <random>

namespace tenon::server {

void Usage::append(std::string &out) const {
  out += fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                     R"("prompt_tokens_details":{{"cached_tokens":{}}}}})",
                     promptTokens, completionTokens, promptTokens + completionTokens, cachedTokens);
}

void AnswerFormat::streamError(std::string &out, std::string_view body) {
  appendEvent(out, body);
  appendEvent(out, "[DONE]");
}

void appendEvent(std::string &out, std::string_view json) {
  out += "data: ";
  out += json;
  out += "\n\n";
}

std::string tokenText(const text::Tokenizer &tokenizer, int32_t id) {
  std::string out;
  text::appendSanitized(out, tokenizer.tokenBytes(id));
  return out;
}

int64_t unixTime() { return static_cast<int64_t>(std::time(nullptr)); }

std::string randomId(std::string_view prefix) {
  thread_local std::mt19937_64 generator{(uint64_t(std::random_device()()) << 32) |
                                         std::random_device()()};
  return fmt::format("{}{:016x}{:08x}", prefix, generator(), static_cast<uint32_t>(generator()));
}

} // namespace tenon::server
