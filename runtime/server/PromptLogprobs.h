//===- PromptLogprobs.h - How likely the prompt was -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_PROMPTLOGPROBS_H
#define TENON_RUNTIME_SERVER_PROMPTLOGPROBS_H

#include "runtime/server/Choice.h"

#include <string>

namespace tenon::server {

/// Appends vLLM's "prompt_logprobs": null for the first token, then for each an object by token id
/// of {"logprob","rank","decoded_token"}, the prompt's own token first, then `top` alternatives.
void appendPromptLogprobs(std::string &out, const text::Tokenizer &tokenizer, const Choice &choice,
                          uint32_t top);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_PROMPTLOGPROBS_H
