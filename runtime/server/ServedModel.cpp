//===- ServedModel.cpp - What the routes know of the model ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

namespace tenon::server {

/// What rendering one request's template may use: it happens on an I/O thread.
static constexpr text::TemplateLimits kTemplateLimits = {
    .maxSteps = 2'000'000, .maxOutputBytes = size_t(16) << 20, .maxValueBytes = size_t(64) << 20};

StatusOr<ServedModel> ServedModel::of(const engine::Engine &engine,
                                      const text::Tokenizer &tokenizer,
                                      std::vector<int32_t> stopTokens,
                                      const executor::Capacity &capacity, std::string id) {
  ServedModel m(tokenizer);
  m.id = std::move(id);
  if (m.id.empty())
    m.id = std::filesystem::path(engine.name()).stem().string();
  struct stat file{};
  if (::stat(engine.name().c_str(), &file) == 0)
    m.created = file.st_mtime;
  // The section table has the checksums of plan, kernels, weights and tokenizer.
  m.fingerprint = fmt::format("tenon-{:016x}", engine.sections().header().tableXxh3Low ^
                                                   static_cast<uint64_t>(engine.variant()));
  m.context = capacity.context;
  m.kvTokens = uint64_t(capacity.kvBlocks) * engine.plan().kv.blockTokens;
  m.vocabulary = engine.plan().model.vocabulary;
  m.hidden = engine.plan().model.hidden;
  m.stopTokens = std::move(stopTokens);
  if (engine.plan().grid.size() > 1 && engine.plan().grid.front() > 1)
    m.noEmbeddings = "its engine is a pipeline, whose stages keep no hidden states";
  else if (!engine.plan().pooling)
    m.noEmbeddings = "its engine was compiled by an earlier version; compile it again";
  else if (!capacity.chips.holds(engine.plan().logitsChip()))
    m.noEmbeddings = "its last layers are computed by another process";
  if (const std::string_view source = engine.text(engine::SectionKind::ChatTemplate);
      !source.empty()) {
    auto parsed = text::Template::parse(source);
    if (!parsed)
      return Status(parsed.status().code(), engine.name() + ": " + parsed.status().message());
    m.chatTemplate = std::move(*parsed);
    m.templateKnowsTools =
        source.find("tools") != source.npos && source.find("<tool_call>") != source.npos;
  }
  const auto piece = [&](const char *name, int32_t token) {
    if (token < 0)
      return;
    const std::string_view spelled = tokenizer.tokenPiece(token);
    m.templateVariables[name] = boost::json::string(spelled.data(), spelled.size());
  };
  piece("bos_token", tokenizer.bos());
  piece("eos_token", tokenizer.eos());
  return m;
}

uint32_t ServedModel::room(size_t prompt) const {
  // The last token drawn is never computed, so it needs no position.
  const uint64_t most = std::min<uint64_t>(context, kvTokens);
  return prompt >= most ? 0 : static_cast<uint32_t>(most - prompt);
}

StatusOr<std::vector<int32_t>> ServedModel::encodeChat(const boost::json::array &messages,
                                                       bool addGenerationPrompt,
                                                       const boost::json::object &extra) const {
  if (!chatTemplate)
    return Status::unsupported("The model has no chat template; use /v1/completions.");
  boost::json::object variables = templateVariables;
  variables["messages"] = messages;
  variables["add_generation_prompt"] = addGenerationPrompt;
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  for (const auto &[name, value] : extra)
    variables[name] = value;
  auto rendered = chatTemplate->render(variables, kTemplateLimits);
  if (!rendered)
    return rendered.status();
  return tokenizer.encode(*rendered, /*addSpecial=*/false, /*parseSpecial=*/true);
}

} // namespace tenon::server
