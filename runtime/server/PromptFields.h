//===- PromptFields.h - Texts and token ids of a request --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_PROMPTFIELDS_H
#define TENON_RUNTIME_SERVER_PROMPTFIELDS_H

#include "runtime/server/RequestFields.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::server {

struct ServedModel;

/// Prompts as a client gave them.
struct PromptFields {
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::string> texts; ///< Of ids that came as ids: what they decode to.
};

/// Reads the field `name`: a string, strings, ids, or lists of ids; at most `most` prompts. Texts
/// get the tokenizer's special tokens if `addSpecial`. Errors are left in `fields`.
PromptFields readPrompts(RequestFields &fields, const char *name, const ServedModel &model,
                         uint32_t most, bool addSpecial = true);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_PROMPTFIELDS_H
