//===- CompletionsApi.cpp - /v1/completions -------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Apis.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Opening.h"
#include "runtime/server/PromptFields.h"
#include "runtime/server/PromptLogprobs.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

namespace {

/// What the reference API generates without "max_tokens".
constexpr uint32_t kDefaultMaxTokens = 16;

struct Echo {
  bool wanted = false;
  std::vector<std::string> texts;            ///< Of each prompt.
  std::vector<std::vector<int32_t>> prompts; ///< Their ids; only with log-probabilities.
};

class CompletionFormat : public AnswerFormat {
public:
  CompletionFormat(AnswerHead h, const ServedModel &model, const GenerationFields &fields,
                   std::optional<uint32_t> logprobs, bool scoreOnly, bool showPromptLogprobs,
                   Echo echo)
      : head(std::move(h)), model(model), logprobs(logprobs),
        promptLogprobs(showPromptLogprobs ? fields.promptLogprobs : std::nullopt),
        scoreOnly(scoreOnly), includeUsage(fields.includeUsage), n(fields.n),
        echo(std::move(echo)) {}

  void streamNews(std::string &out, uint32_t index, Choice &choice) override {
    std::string text;
    std::vector<TokenDetail> details;
    size_t shift = 0;
    if (echo.wanted) {
      shift = echo.texts[index / n].size();
      if (!choice.announced)
        text = echo.texts[index / n];
    }
    choice.announced = true;
    text += choice.takeDelta();
    details = choice.takeDetails();
    const bool ends = choice.end() != Choice::End::None;
    choice.closed = ends;
    out += "data: " + begin();
    out += R"("choices":[)";
    appendChoice(out, index, text, details, shift, ends ? choice.endName() : nullptr, nullptr);
    out += includeUsage ? R"(],"usage":null})" : "]}";
    out += "\n\n";
  }

  void streamEnd(std::string &out, std::span<Choice>, const Usage &usage) override {
    if (includeUsage) {
      out += "data: " + begin() + R"("choices":[],"usage":)";
      usage.append(out);
      out += "}\n\n";
    }
    appendEvent(out, "[DONE]");
  }

  std::string whole(std::span<Choice> choices, const Usage &usage) override {
    std::string out = begin();
    out += R"("choices":[)";
    for (uint32_t i = 0; i < choices.size(); ++i) {
      Choice &c = choices[i];
      const uint32_t prompt = i / n;
      std::string text;
      size_t shift = 0;
      std::vector<TokenDetail> details;
      if (echo.wanted) {
        text = echo.texts[prompt];
        shift = text.size();
        if (logprobs)
          details = echoDetails(prompt, choices[prompt * n]);
      }
      const size_t echoed = details.size();
      text += c.takeDelta();
      for (TokenDetail &d : c.takeDetails()) {
        d.textOffset += shift;
        details.push_back(std::move(d));
      }
      out += i ? "," : "";
      appendChoice(out, i, text, details, 0, scoreOnly ? "length" : c.endName(),
                   &choices[prompt * n], echoed > 0);
    }
    out += R"(],"usage":)";
    usage.append(out);
    out += '}';
    return out;
  }

private:
  std::string begin() const {
    std::string out = R"({"id":")" + head.id + R"(","object":"text_completion","created":)" +
                      std::to_string(head.created) + R"(,"model":)";
    appendJsonString(out, head.model);
    out += R"(,"system_fingerprint":")" + head.fingerprint + R"(",)";
    return out;
  }

  /// The prompt's tokens as details; the first has no log-probability.
  std::vector<TokenDetail> echoDetails(uint32_t prompt, const Choice &first) const {
    std::vector<TokenDetail> details;
    size_t offset = 0;
    const std::vector<int32_t> &ids = echo.prompts[prompt];
    for (size_t i = 0; i < ids.size(); ++i) {
      TokenDetail d;
      if (i > 0 && i - 1 < first.prompt.size())
        d = first.prompt[i - 1];
      d.id = ids[i];
      d.textOffset = offset;
      offset += model.tokenizer.tokenBytes(ids[i]).size();
      details.push_back(std::move(d));
    }
    return details;
  }

  void appendChoice(std::string &out, uint32_t index, std::string_view text,
                    const std::vector<TokenDetail> &details, size_t shift, const char *finish,
                    const Choice *promptChoice, bool firstUnknown = false) const {
    fmt::format_to(std::back_inserter(out), R"({{"index":{},"text":)", index);
    appendJsonString(out, text);
    out += R"(,"logprobs":)";
    if (logprobs)
      appendLogprobs(out, details, shift, firstUnknown);
    else
      out += "null";
    out += R"(,"finish_reason":)";
    if (finish)
      appendJsonString(out, finish);
    else
      out += "null";
    if (promptLogprobs && promptChoice) {
      out += R"(,"prompt_logprobs":)";
      appendPromptLogprobs(out, model.tokenizer, *promptChoice, *promptLogprobs);
    }
    out += '}';
  }

  void appendLogprobs(std::string &out, const std::vector<TokenDetail> &details, size_t shift,
                      bool firstUnknown) const {
    std::string tokens, values, tops, offsets;
    for (size_t i = 0; i < details.size(); ++i) {
      const TokenDetail &d = details[i];
      const char *comma = i ? "," : "";
      tokens += comma;
      appendJsonString(tokens, tokenText(model.tokenizer, d.id));
      values += comma;
      tops += comma;
      if (i == 0 && firstUnknown) {
        values += "null";
        tops += "null";
      } else {
        appendJsonNumber(values, d.logprob);
        appendTop(tops, d);
      }
      fmt::format_to(std::back_inserter(offsets), "{}{}", comma, d.textOffset + shift);
    }
    out += R"({"tokens":[)" + tokens + R"(],"token_logprobs":[)" + values +
           R"(],"top_logprobs":[)" + tops + R"(],"text_offset":[)" + offsets + "]}";
  }

  /// By text; of tokens with the same text the likeliest stays.
  void appendTop(std::string &out, const TokenDetail &d) const {
    std::vector<std::string> seen;
    const auto add = [&](int32_t id, float logprob) {
      std::string text = tokenText(model.tokenizer, id);
      if (std::find(seen.begin(), seen.end(), text) != seen.end())
        return;
      out += seen.empty() ? "" : ",";
      appendJsonString(out, text);
      out += ':';
      appendJsonNumber(out, logprob);
      seen.push_back(std::move(text));
    };
    out += '{';
    for (size_t a = 0; a < std::min<size_t>(d.alternatives.size(), *logprobs); ++a)
      add(d.alternatives[a].id, d.alternatives[a].logprob);
    add(d.id, d.logprob);
    out += '}';
  }

  const AnswerHead head;
  const ServedModel &model;
  const std::optional<uint32_t> logprobs, promptLogprobs;
  const bool scoreOnly, includeUsage;
  const uint32_t n;
  const Echo echo;
};

} // namespace

void completions(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const auto opening = Opening::of(services, request, responder, "prompt");
  if (!opening)
    return;
  RequestFields &fields = opening->fields;
  const Limits &limits = opening->limits;
  GenerationPlan &plan = opening->plan;
  GenerationFields &f = plan.fields;
  std::optional<uint32_t> logprobs;
  if (const auto count = fields.integer("logprobs", 0, limits.topLogprobs)) {
    logprobs = static_cast<uint32_t>(*count);
    f.sampling.logprobs = true;
    f.sampling.topLogprobs = *logprobs;
  }
  Echo echo;
  echo.wanted = fields.boolean("echo").value_or(false);
  // Nothing generated makes sense where the prompt comes back.
  const auto most = fields.integer("max_tokens", echo.wanted ? 0 : 1, INT32_MAX);
  f.maxNewTokens = static_cast<uint32_t>(most.value_or(kDefaultMaxTokens));
  plan.scoreOnly = *f.maxNewTokens == 0;
  if (const auto best = fields.integer("best_of", 1, limits.choices); best && *best != int64_t(f.n))
    fields.refuse("best_of", "unsupported_parameter",
                  "'best_of' other than 'n' is not supported by this server; leave it out.");
  if (const auto suffix = fields.string("suffix"); suffix && !suffix->empty())
    fields.refuse("suffix", "unsupported_parameter",
                  "'suffix' is not supported by this server; leave it out.");
  if (plan.scoreOnly && f.stream)
    fields.refuse("max_tokens", "invalid_value",
                  "'max_tokens' of 0 is not available when 'stream' is true.");
  if (echo.wanted && logprobs && f.stream)
    fields.refuse("echo", "invalid_value",
                  "'echo' with 'logprobs' is not available when 'stream' is true.");
  PromptFields prompts = readPrompts(fields, "prompt", services.model, limits.fanOut);
  if (opening->refused())
    return;

  plan.prompts = std::move(prompts.ids);
  echo.texts = std::move(prompts.texts);
  const bool showPromptLogprobs = f.promptLogprobs.has_value();
  if (echo.wanted && logprobs) {
    f.promptLogprobs = std::max(f.promptLogprobs.value_or(0), *logprobs);
    echo.prompts = plan.prompts;
  }
  opening->start(std::make_unique<CompletionFormat>(opening->head("cmpl-"), services.model, f,
                                                    logprobs, plan.scoreOnly, showPromptLogprobs,
                                                    std::move(echo)));
}

} // namespace tenon::server
