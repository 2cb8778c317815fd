//===- ChatApi.cpp - /v1/chat/completions ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Apis.h"
#include "runtime/server/ChatMessages.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Opening.h"
#include "runtime/server/PromptLogprobs.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/ToolCallReader.h"

#include <fmt/core.h>

namespace tenon::server {

namespace {

void appendToken(std::string &out, const text::Tokenizer &tokenizer, int32_t id, float logprob) {
  out += R"({"token":)";
  appendJsonString(out, tokenText(tokenizer, id));
  out += R"(,"logprob":)";
  appendJsonNumber(out, logprob);
  out += R"(,"bytes":[)";
  bool first = true;
  for (const char byte : tokenizer.tokenBytes(id)) {
    fmt::format_to(std::back_inserter(out), "{}{}", first ? "" : ",", uint8_t(byte));
    first = false;
  }
  out += ']';
}

class ChatFormat : public AnswerFormat {
public:
  ChatFormat(AnswerHead h, const ServedModel &model, const GenerationFields &fields, bool calls)
      : head(std::move(h)), model(model), logprobs(fields.sampling.logprobs),
        topLogprobs(fields.sampling.topLogprobs), promptLogprobs(fields.promptLogprobs),
        includeUsage(fields.includeUsage), callers(calls ? fields.n : 0) {
    chunkBegin = begin("chat.completion.chunk");
  }

  void streamNews(std::string &out, uint32_t index, Choice &choice) override {
    if (!choice.announced) {
      choice.announced = true;
      chunk(out, index,
            callers.empty() ? R"({"role":"assistant","content":""})"
                            : R"({"role":"assistant","content":null})",
            nullptr, nullptr);
    }
    const bool ends = choice.end() != Choice::End::None && !choice.closed;
    if (!callers.empty()) {
      streamCalls(out, index, choice, ends);
    } else if (choice.hasNews()) {
      const std::vector<TokenDetail> details = choice.takeDetails();
      delta = R"({"content":)";
      appendJsonString(delta, choice.takeDelta());
      delta += '}';
      chunk(out, index, delta, &details, nullptr);
    }
    if (ends) {
      choice.closed = true;
      chunk(out, index, "{}", nullptr, finishName(index, choice));
    }
  }

  void streamEnd(std::string &out, std::span<Choice>, const Usage &usage) override {
    if (includeUsage) {
      out += "data: ";
      out += chunkBegin;
      out += R"("choices":[],"usage":)";
      usage.append(out);
      out += "}\n\n";
    }
    appendEvent(out, "[DONE]");
  }

  std::string whole(std::span<Choice> choices, const Usage &usage) override {
    std::string out = begin("chat.completion");
    out += R"("choices":[)";
    for (size_t i = 0; i < choices.size(); ++i) {
      Choice &c = choices[i];
      const std::vector<TokenDetail> details = c.takeDetails();
      fmt::format_to(std::back_inserter(out),
                     R"({}{{"index":{},"message":{{"role":"assistant","content":)", i ? "," : "",
                     i);
      if (callers.empty())
        appendJsonString(out, c.takeDelta());
      else
        appendMessage(out, i, c.takeDelta());
      out += R"(,"refusal":null},"logprobs":)";
      appendLogprobs(out, details);
      fmt::format_to(std::back_inserter(out), R"(,"finish_reason":"{}"}})", finishName(i, c));
    }
    out += R"(],"usage":)";
    usage.append(out);
    if (promptLogprobs) {
      out += R"(,"prompt_logprobs":)";
      appendPromptLogprobs(out, model.tokenizer, choices[0], *promptLogprobs);
    }
    out += '}';
    return out;
  }

private:
  /// An answer that may hold calls.
  struct Caller {
    ToolCallReader reader;
    uint32_t begun = 0; ///< Calls whose name is known.
    std::vector<ToolCallReader::Piece> pieces;
  };

  const char *finishName(size_t index, const Choice &choice) const {
    const bool calls = !callers.empty() && callers[index].reader.completed() > 0;
    return calls && choice.end() == Choice::End::Stop ? "tool_calls" : choice.endName();
  }

  const std::vector<ToolCallReader::Piece> &read(size_t index, std::string_view text, bool ends) {
    Caller &c = callers[index];
    c.pieces.clear();
    c.reader.push(text, c.pieces);
    if (ends)
      c.reader.finish(c.pieces);
    return c.pieces;
  }

  void streamCalls(std::string &out, uint32_t index, Choice &choice, bool ends) {
    const std::vector<TokenDetail> details = choice.takeDetails();
    const std::vector<TokenDetail> *unsaid = details.empty() ? nullptr : &details;
    using Kind = ToolCallReader::Piece::Kind;
    for (const ToolCallReader::Piece &piece : read(index, choice.takeDelta(), ends)) {
      if (piece.kind == Kind::End)
        continue;
      if (piece.kind == Kind::Text) {
        delta = R"({"content":)";
        appendJsonString(delta, piece.text);
        delta += '}';
      } else if (piece.kind == Kind::Name) {
        delta = fmt::format(
            R"({{"tool_calls":[{{"index":{},"id":"{}","type":"function","function":{{"name":)",
            callers[index].begun++, randomId("call_"));
        appendJsonString(delta, piece.text);
        delta += R"(,"arguments":""}}]})";
      } else {
        delta = fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":)",
                            callers[index].begun - 1);
        appendJsonString(delta, piece.text);
        delta += "}}]}";
      }
      chunk(out, index, delta, std::exchange(unsaid, nullptr), nullptr);
    }
    if (unsaid) // Tokens that made no text yet.
      chunk(out, index, "{}", unsaid, nullptr);
  }

  /// The content and the calls of a whole answer.
  void appendMessage(std::string &out, size_t index, std::string_view text) {
    using Kind = ToolCallReader::Piece::Kind;
    std::string content, calls, arguments;
    for (const ToolCallReader::Piece &piece : read(index, text, /*ends=*/true)) {
      if (piece.kind == Kind::Text) {
        content += piece.text;
      } else if (piece.kind == Kind::Name) {
        if (callers[index].begun++)
          closeCall(calls, arguments);
        calls += fmt::format(R"({}{{"id":"{}","type":"function","function":{{"name":)",
                             calls.empty() ? "" : ",", randomId("call_"));
        appendJsonString(calls, piece.text);
      } else {
        arguments += piece.text;
      }
    }
    if (callers[index].begun)
      closeCall(calls, arguments);
    if (content.empty() && !calls.empty())
      out += "null";
    else
      appendJsonString(out, content);
    if (!calls.empty())
      out += R"(,"tool_calls":[)" + calls + "]";
  }
  static void closeCall(std::string &calls, std::string &arguments) {
    calls += R"(,"arguments":)";
    appendJsonString(calls, std::exchange(arguments, {}));
    calls += "}}";
  }

  std::string begin(const char *object) const {
    std::string out = R"({"id":")" + head.id + R"(","object":")" + object + R"(","created":)" +
                      std::to_string(head.created) + R"(,"model":)";
    appendJsonString(out, head.model);
    out += R"(,"system_fingerprint":")" + head.fingerprint + R"(",)";
    return out;
  }

  void appendLogprobs(std::string &out, const std::vector<TokenDetail> &details) const {
    if (!logprobs) {
      out += "null";
      return;
    }
    out += R"({"content":[)";
    for (size_t i = 0; i < details.size(); ++i) {
      const TokenDetail &d = details[i];
      out += i ? "," : "";
      appendToken(out, model.tokenizer, d.id, d.logprob);
      out += R"(,"top_logprobs":[)";
      for (size_t a = 0; a < std::min<size_t>(d.alternatives.size(), topLogprobs); ++a) {
        out += a ? "," : "";
        appendToken(out, model.tokenizer, d.alternatives[a].id, d.alternatives[a].logprob);
        out += '}';
      }
      out += "]}";
    }
    out += R"(],"refusal":null})";
  }

  void chunk(std::string &out, uint32_t index, std::string_view content,
             const std::vector<TokenDetail> *details, const char *finish) const {
    out += "data: ";
    out += chunkBegin;
    fmt::format_to(std::back_inserter(out), R"("choices":[{{"index":{},"delta":{},"logprobs":)",
                   index, content);
    if (details)
      appendLogprobs(out, *details);
    else
      out += "null";
    out += R"(,"finish_reason":)";
    if (finish)
      fmt::format_to(std::back_inserter(out), "\"{}\"", finish);
    else
      out += "null";
    out += "}]";
    out += includeUsage ? R"(,"usage":null})" : "}";
    out += "\n\n";
  }

  const AnswerHead head;
  const ServedModel &model;
  const bool logprobs;
  const uint32_t topLogprobs;
  const std::optional<uint32_t> promptLogprobs;
  const bool includeUsage;
  std::vector<Caller> callers; ///< Of each choice; empty if there are no tools.
  std::string chunkBegin, delta;
};

} // namespace

void chatCompletions(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const auto opening = Opening::of(services, request, responder, "messages");
  if (!opening)
    return;
  RequestFields &fields = opening->fields;
  const Limits &limits = opening->limits;
  GenerationFields &f = opening->plan.fields;
  f.sampling.logprobs = fields.boolean("logprobs").value_or(false);
  if (const auto top = fields.integer("top_logprobs", 0, limits.topLogprobs)) {
    f.sampling.topLogprobs = static_cast<uint32_t>(*top);
    if (!f.sampling.logprobs)
      fields.refuse("top_logprobs", "invalid_value",
                    "The 'logprobs' parameter must be true to use 'top_logprobs'.");
  }
  const auto most = fields.integer("max_completion_tokens", 1, INT32_MAX);
  const auto old = fields.integer("max_tokens", 1, INT32_MAX);
  if (most || old)
    f.maxNewTokens = static_cast<uint32_t>(most ? *most : *old);
  auto messages = readMessages(fields, limits);
  const ToolFields tools = readTools(fields, limits, ToolStyle::Nested);
  opening->useTools(tools);
  opening->useChat(std::move(messages), tools);
  if (opening->refused())
    return;
  opening->start(
      std::make_unique<ChatFormat>(opening->head("chatcmpl-"), services.model, f, tools.wanted()));
}

} // namespace tenon::server
