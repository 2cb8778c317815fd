//===- GenerationFields.cpp - How a client wants its tokens drawn ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/GenerationFields.h"

#include "runtime/server/ConstraintFields.h"
#include "runtime/server/ModelFacts.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <random>

namespace tenon::server {

namespace json = boost::json;

static uint64_t drawSeed() {
  thread_local std::mt19937_64 generator{std::random_device()()};
  return generator();
}

void checkModel(RequestFields &fields, const ModelFacts &model) {
  const auto name = fields.string("model", 1024);
  if (fields.failed())
    return;
  if (!name)
    fields.take(ApiError::missing("model"));
  else if (*name != model.id) {
    ApiError e = ApiError::notFound(
        "model_not_found",
        fmt::format("The model '{}' does not exist. This server has '{}'.", *name, model.id));
    e.param = "model";
    fields.take(std::move(e));
  }
}

static void readStops(RequestFields &fields, const Limits &limits, const ModelFacts &model,
                      GenerationFields &into) {
  const auto add = [&](const json::value &value) {
    const json::string *s = value.if_string();
    if (!s)
      fields.refuseType("stop", "a string or an array of strings", value);
    else if (const size_t length = countCharacters({s->data(), s->size()});
             length == 0 || length > limits.stopCharacters)
      fields.refuse("stop", "invalid_value",
                    fmt::format("Invalid 'stop': a stop string has {} characters; 1 to {} are "
                                "allowed.",
                                length, limits.stopCharacters));
    else
      into.stop.emplace_back(s->data(), s->size());
  };
  if (const json::value *stop = fields.find("stop"); stop && stop->is_string()) {
    add(*stop);
  } else if (stop) {
    if (const json::array *list = fields.array("stop", limits.stopStrings))
      for (const json::value &value : *list)
        add(value);
  }
  if (const json::array *list = fields.array("stop_token_ids", limits.stopTokenIds))
    for (const json::value &value : *list) {
      const auto id = asInteger(value);
      if (!id || *id < 0 || *id >= model.vocabulary)
        return fields.refuse("stop_token_ids", "invalid_value",
                             fmt::format("Invalid 'stop_token_ids': expected token ids from 0 to "
                                         "{}.",
                                         model.vocabulary - 1));
      into.stopTokenIds.push_back(static_cast<int32_t>(*id));
    }
}

static void readLogitBias(RequestFields &fields, const Limits &limits, const ModelFacts &model,
                          GenerationFields &into) {
  const json::object *bias = fields.objectAt("logit_bias");
  if (!bias)
    return;
  if (bias->size() > limits.logitBias)
    return fields.refuse("logit_bias", "invalid_value",
                         fmt::format("Invalid 'logit_bias': at most {} entries, got {}.",
                                     limits.logitBias, bias->size()));
  RequestFields values(*bias, "logit_bias.");
  for (const auto &[key, value] : *bias) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 ||
        uint32_t(id) >= model.vocabulary)
      return fields.refuse("logit_bias", "invalid_value",
                           fmt::format("Invalid 'logit_bias': keys are token ids from 0 to {}.",
                                       model.vocabulary - 1));
    const auto amount = values.number({key.data(), key.size()}, -100, 100);
    if (values.failed())
      return fields.take(values.error());
    if (amount)
      into.sampling.logitBias.emplace_back(id, static_cast<float>(*amount));
  }
}

void readGenerationFields(RequestFields &fields, const Limits &limits, const ModelFacts &model,
                          GenerationFields &into) {
  checkModel(fields, model);
  into.constraint = readConstraint(fields, limits.grammar, into.constraintField);
  sample::SamplingParams &s = into.sampling;
  s.temperature = static_cast<float>(fields.number("temperature", 0, 2).value_or(1));
  // 0 keeps the most likely token alone.
  s.topP = static_cast<float>(std::max(fields.number("top_p", 0, 1).value_or(1), 1e-6));
  s.minP = static_cast<float>(fields.number("min_p", 0, 1).value_or(0));
  const int64_t topK = fields.integer("top_k", -1, model.vocabulary).value_or(0);
  s.topK = topK < 0 ? 0 : static_cast<uint32_t>(topK);
  s.presencePenalty = static_cast<float>(fields.number("presence_penalty", -2, 2).value_or(0));
  s.frequencyPenalty = static_cast<float>(fields.number("frequency_penalty", -2, 2).value_or(0));
  s.repetitionPenalty =
      static_cast<float>(fields.number("repetition_penalty", 0.01, 100).value_or(1));
  const auto seed = fields.integer("seed", INT64_MIN, INT64_MAX);
  s.seed = seed ? static_cast<uint64_t>(*seed) : drawSeed();
  into.n = static_cast<uint32_t>(fields.integer("n", 1, limits.choices).value_or(1));
  into.minNewTokens =
      static_cast<uint32_t>(fields.integer("min_tokens", 0, model.context).value_or(0));
  into.ignoreEos = fields.boolean("ignore_eos").value_or(false);
  into.skipSpecial = fields.boolean("skip_special_tokens").value_or(true);
  into.priority =
      static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX).value_or(0));
  if (const auto count = fields.integer("prompt_logprobs", 0, limits.topLogprobs))
    into.promptLogprobs = static_cast<uint32_t>(*count);
  (void)fields.string("user", 4096);
  readStops(fields, limits, model, into);
  readLogitBias(fields, limits, model, into);

  into.stream = fields.boolean("stream").value_or(false);
  if (const json::object *options = fields.objectAt("stream_options")) {
    RequestFields inner(*options, "stream_options.");
    into.includeUsage = inner.boolean("include_usage").value_or(false);
    if (inner.failed())
      fields.take(inner.error());
    else if (!into.stream)
      fields.refuse("stream_options", "invalid_value",
                    "The 'stream_options' parameter is only allowed when 'stream' is true.");
  }
  if (into.promptLogprobs && into.stream)
    fields.refuse("prompt_logprobs", "invalid_value",
                  "'prompt_logprobs' is not available when 'stream' is true.");
}

} // namespace tenon::server
