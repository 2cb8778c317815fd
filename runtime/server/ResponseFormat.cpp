//===- ResponseFormat.cpp - How /v1/responses words an answer -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ResponseFormat.h"

namespace tenon::server {

namespace json = boost::json;

static json::string text(std::string_view s) { return json::string(s.data(), s.size()); }

static json::object part(std::string_view said) {
  return {{"type", "output_text"},
          {"text", text(said)},
          {"annotations", json::array()},
          {"logprobs", json::array()}};
}

/// `to` with the members of `more`.
static json::object with(json::object to, json::object more) {
  for (auto &[name, value] : more)
    to[name] = std::move(value);
  return to;
}

ResponseFormat::ResponseFormat(AnswerHead h, json::object e, bool calls)
    : head(std::move(h)), echoed(std::move(e)) {
  if (calls)
    reader.emplace();
}

void ResponseFormat::streamBegin(std::string &out) {
  const json::object started = response("in_progress", nullptr);
  event(&out, "response.created", {{"response", started}});
  event(&out, "response.in_progress", {{"response", started}});
}

void ResponseFormat::streamNews(std::string &out, uint32_t, Choice &choice) {
  choice.closed = choice.end() != Choice::End::None;
  take(choice.takeDelta(), choice.closed, &out);
}

void ResponseFormat::streamEnd(std::string &out, std::span<Choice> choices, const Usage &usage) {
  const bool stopped = choices[0].end() == Choice::End::Stop;
  finish(stopped, &out);
  event(&out, stopped ? "response.completed" : "response.incomplete",
        {{"response", response(stopped ? "completed" : "incomplete", &usage)}});
}

void ResponseFormat::streamError(std::string &out, std::string_view body) {
  boost::system::error_code ignored;
  const json::value parsed = json::parse(json::string_view(body.data(), body.size()), ignored);
  json::object error = parsed.is_object() ? parsed.at("error").as_object() : json::object();
  error.erase("type"); // The event's own.
  event(&out, "error", std::move(error));
}

std::string ResponseFormat::whole(std::span<Choice> choices, const Usage &usage) {
  const bool stopped = choices[0].end() == Choice::End::Stop;
  take(choices[0].takeDelta(), /*ends=*/true, nullptr);
  finish(stopped, nullptr);
  return json::serialize(response(stopped ? "completed" : "incomplete", &usage));
}

void ResponseFormat::take(std::string_view said, bool ends, std::string *out) {
  using Piece = ToolCallReader::Piece;
  if (!reader) {
    if (!said.empty())
      takePiece({Piece::Kind::Text, std::string(said)}, out);
    return;
  }
  std::vector<Piece> pieces;
  reader->push(said, pieces);
  if (ends)
    reader->finish(pieces);
  for (const Piece &piece : pieces)
    takePiece(piece, out);
}

void ResponseFormat::takePiece(const ToolCallReader::Piece &piece, std::string *out) {
  using Kind = ToolCallReader::Piece::Kind;
  switch (piece.kind) {
  case Kind::Text:
    if (!writing || items.back().call)
      open(newMessage(), out);
    return append(piece.text, out);
  case Kind::Name:
    return open(newCall(piece.text), out);
  case Kind::Arguments:
    return append(piece.text, out);
  case Kind::End:
    items.back().complete = true;
    return close(out);
  }
}

ResponseFormat::Item ResponseFormat::newMessage() {
  Item item;
  item.id = randomId("msg_");
  return item;
}

ResponseFormat::Item ResponseFormat::newCall(const std::string &name) {
  Item item;
  item.call = true;
  item.id = randomId("fc_");
  item.callId = randomId("call_");
  item.name = name;
  return item;
}

void ResponseFormat::open(Item item, std::string *out) {
  if (writing) { // Something follows a message: it is whole.
    items.back().complete = true;
    close(out);
  }
  items.push_back(std::move(item));
  writing = true;
  const Item &begun = items.back();
  event(out, "response.output_item.added",
        {{"output_index", items.size() - 1}, {"item", show(begun, "in_progress")}});
  if (!begun.call)
    event(out, "response.content_part.added", with(at(true), {{"part", part("")}}));
}

void ResponseFormat::append(std::string_view said, std::string *out) {
  Item &item = items.back();
  item.text += said;
  if (item.call)
    event(out, "response.function_call_arguments.delta", with(at(false), {{"delta", text(said)}}));
  else
    event(out, "response.output_text.delta",
          with(at(true), {{"delta", text(said)}, {"logprobs", json::array()}}));
}

void ResponseFormat::close(std::string *out) {
  writing = false;
  const Item &item = items.back();
  if (item.call) {
    event(out, "response.function_call_arguments.done",
          with(at(false), {{"name", text(item.name)}, {"arguments", text(item.text)}}));
  } else {
    event(out, "response.output_text.done",
          with(at(true), {{"text", text(item.text)}, {"logprobs", json::array()}}));
    event(out, "response.content_part.done", with(at(true), {{"part", part(item.text)}}));
  }
  event(out, "response.output_item.done",
        {{"output_index", items.size() - 1}, {"item", shown(item)}});
}

void ResponseFormat::finish(bool stopped, std::string *out) {
  if (items.empty())
    open(newMessage(), out);
  if (!writing)
    return;
  items.back().complete = stopped;
  close(out);
}

json::object ResponseFormat::show(const Item &item, const char *status) const {
  if (item.call)
    return {{"id", item.id},          {"type", "function_call"}, {"status", status},
            {"call_id", item.callId}, {"name", text(item.name)}, {"arguments", text(item.text)}};
  json::array content;
  if (std::string_view(status) != "in_progress")
    content.push_back(part(item.text));
  return {{"id", item.id},
          {"type", "message"},
          {"status", status},
          {"role", "assistant"},
          {"content", std::move(content)}};
}

json::array ResponseFormat::output() const {
  json::array out;
  for (const Item &item : items)
    out.push_back(shown(item));
  return out;
}

json::object ResponseFormat::at(bool content) const {
  json::object out{{"item_id", items.back().id}, {"output_index", items.size() - 1}};
  if (content)
    out["content_index"] = 0;
  return out;
}

json::object ResponseFormat::response(const char *status, const Usage *usage) const {
  json::object out{{"id", head.id},
                   {"object", "response"},
                   {"created_at", head.created},
                   {"status", status},
                   {"background", false},
                   {"error", nullptr},
                   {"incomplete_details", nullptr},
                   {"model", head.model},
                   {"output", output()},
                   {"previous_response_id", nullptr},
                   {"store", false},
                   {"truncation", "disabled"},
                   {"usage", nullptr}};
  if (std::string_view(status) == "incomplete")
    out["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
  out = with(std::move(out), echoed);
  if (usage)
    out["usage"] = json::object{{"input_tokens", usage->promptTokens},
                                {"input_tokens_details", {{"cached_tokens", usage->cachedTokens}}},
                                {"output_tokens", usage->completionTokens},
                                {"output_tokens_details", {{"reasoning_tokens", 0}}},
                                {"total_tokens", usage->promptTokens + usage->completionTokens}};
  return out;
}

void ResponseFormat::event(std::string *out, std::string_view type, json::object members) {
  if (!out)
    return;
  const json::object whole =
      with({{"type", text(type)}, {"sequence_number", sequenceNumber++}}, std::move(members));
  *out += "event: ";
  *out += type;
  *out += '\n';
  appendEvent(*out, json::serialize(whole));
}

} // namespace tenon::server
