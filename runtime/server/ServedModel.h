//===- ServedModel.h - What the routes know of the model --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_SERVEDMODEL_H
#define TENON_RUNTIME_SERVER_SERVEDMODEL_H

#include "runtime/engine/Engine.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/server/ModelFacts.h"
#include "runtime/text/Template.h"
#include "runtime/text/Tokenizer.h"

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tenon::server {

/// Names, limits and text of the engine being served. Immutable; any thread may use it.
struct ServedModel : ModelFacts {
  explicit ServedModel(text::Tokenizer t) : tokenizer(std::move(t)) {}

  std::string fingerprint; ///< Changes when the same request and seed may give another answer.
  int64_t created = 0;     ///< Unix time of the engine file.
  uint64_t kvTokens = 0;   ///< Positions that the whole KV pool has.
  std::vector<int32_t> stopTokens;
  std::string noEmbeddings; ///< Why it has none; empty: it has.
  text::Tokenizer tokenizer;
  std::optional<text::Template> chatTemplate;
  bool templateKnowsTools = false;       ///< It shows tools, and calls in the form of ToolFields.h.
  boost::json::object templateVariables; ///< bos_token and eos_token.

  /// `id` empty: the file's name without its ending. Unsupported if the engine has no tokenizer.
  static StatusOr<ServedModel> of(const engine::Engine &engine, const text::Tokenizer &tokenizer,
                                  std::vector<int32_t> stopTokens,
                                  const executor::Capacity &capacity, std::string id);

  /// Tokens that a prompt of `prompt` may be followed by at most.
  uint32_t room(size_t prompt) const;

  /// Ids of a conversation: the chat template over `messages` with `extra` variables (which win).
  StatusOr<std::vector<int32_t>> encodeChat(const boost::json::array &messages,
                                            bool addGenerationPrompt,
                                            const boost::json::object &extra = {}) const;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_SERVEDMODEL_H
