//===- EmbeddingsApi.cpp - /v1/embeddings ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The last hidden state of a text's last token (or the mean of all), as decoders are pooled. Fields
// are the reference API's; "pooling", "normalize" and "add_special_tokens" are ours.
//
#include "runtime/server/Apis.h"
#include "runtime/server/EmbeddingRequest.h"
#include "runtime/server/GenerationFields.h"
#include "runtime/server/PromptFields.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

/// One of two words; the first if there is none.
static bool isSecond(RequestFields &fields, const char *name, const char *one, const char *two) {
  const auto value = fields.string(name);
  if (value && *value != one && *value != two)
    fields.refuse(name, "invalid_value",
                  fmt::format("Invalid value for '{}': expected '{}' or '{}'.", name, one, two));
  return value && *value == two;
}

/// Every prompt has tokens, and no more than a sequence may have.
static void checkLengths(RequestFields &fields, const std::vector<std::vector<int32_t>> &prompts,
                         const ServedModel &model) {
  const uint64_t most = std::min<uint64_t>(model.context, model.kvTokens);
  for (size_t i = 0; i < prompts.size() && !fields.failed(); ++i) {
    if (prompts[i].empty())
      fields.refuse("input", "invalid_value",
                    fmt::format("Input {} has no tokens; it must have at least one.", i));
    else if (prompts[i].size() > most)
      fields.refuse(
          "input", "context_length_exceeded",
          fmt::format("This model's maximum context length is {} tokens. However, input {} has {}. "
                      "Please shorten it.",
                      most, i, prompts[i].size()));
  }
}

void embeddings(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const Limits &limits = services.options.limits;
  const ServedModel &model = services.model;
  ApiError error;
  const auto body = parseBody(request->body, limits.jsonDepth, error);
  if (!body)
    return error.answer(*responder);
  RequestFields fields(*body);
  checkModel(fields, model);
  if (!model.noEmbeddings.empty())
    fields.refuse(
        "model", "unsupported_operation",
        fmt::format("The model '{}' has no embeddings here: {}.", model.id, model.noEmbeddings));
  EmbeddingPlan plan;
  plan.base64 = isSecond(fields, "encoding_format", "float", "base64");
  if (isSecond(fields, "pooling", "last", "mean"))
    plan.pooling = generate::Pooling::Mean;
  if (const auto dimensions = fields.integer("dimensions", 1, model.hidden))
    plan.dimensions = static_cast<uint32_t>(*dimensions);
  plan.normalise = fields.boolean("normalize").value_or(true);
  plan.priority =
      static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX).value_or(0));
  (void)fields.string("user", 4096);
  const bool special = fields.boolean("add_special_tokens").value_or(true);
  if (!fields.failed())
    plan.prompts = readPrompts(fields, "input", model, limits.embeddingInputs, special).ids;
  checkLengths(fields, plan.prompts, model);
  if (fields.failed())
    return fields.error().answer(*responder);
  EmbeddingRequest::start(services, request, responder, std::move(plan));
}

} // namespace tenon::server
