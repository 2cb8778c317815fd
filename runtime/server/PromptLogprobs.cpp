//===- PromptLogprobs.cpp - How likely the prompt was ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/PromptLogprobs.h"

#include "runtime/server/AnswerFormat.h"
#include "runtime/server/JsonText.h"

#include <fmt/core.h>

namespace tenon::server {

void appendPromptLogprobs(std::string &out, const text::Tokenizer &tokenizer, const Choice &choice,
                          uint32_t top) {
  const auto entry = [&](int32_t id, float logprob, uint32_t rank) {
    fmt::format_to(std::back_inserter(out), R"("{}":{{"logprob":)", id);
    appendJsonNumber(out, logprob);
    fmt::format_to(std::back_inserter(out), R"(,"rank":{},"decoded_token":)", rank);
    appendJsonString(out, tokenText(tokenizer, id));
    out += '}';
  };
  out += "[null";
  for (size_t i = 0; i < choice.prompt.size(); ++i) {
    const TokenDetail &d = choice.prompt[i];
    out += ",{";
    entry(d.id, d.logprob, choice.promptRanks[i]);
    for (uint32_t a = 0; a < std::min<size_t>(top, d.alternatives.size()); ++a)
      if (d.alternatives[a].id != d.id) {
        out += ',';
        entry(d.alternatives[a].id, d.alternatives[a].logprob, a + 1);
      }
    out += '}';
  }
  out += ']';
}

} // namespace tenon::server
