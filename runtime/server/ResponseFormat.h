//===- ResponseFormat.h - How /v1/responses words an answer -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_RESPONSEFORMAT_H
#define TENON_RUNTIME_SERVER_RESPONSEFORMAT_H

#include "runtime/server/AnswerFormat.h"
#include "runtime/server/ToolCallReader.h"

#include <boost/json.hpp>

#include <optional>

namespace tenon::server {

/// A list of output items: messages and calls of functions, in the order in which the model wrote
/// them. An answer without either has one empty message.
class ResponseFormat : public AnswerFormat {
public:
  /// `echoed`: parameters that the response repeats. `calls`: the answer may hold calls.
  ResponseFormat(AnswerHead head, boost::json::object echoed, bool calls);

  void streamBegin(std::string &out) override;
  void streamNews(std::string &out, uint32_t, Choice &choice) override;
  void streamEnd(std::string &out, std::span<Choice> choices, const Usage &usage) override;
  void streamError(std::string &out, std::string_view body) override;
  std::string whole(std::span<Choice> choices, const Usage &usage) override;

private:
  struct Item {
    bool call = false;
    std::string id;
    std::string callId, name; ///< Of a call.
    std::string text;         ///< Of a message; arguments of a call.
    bool complete = false;
  };

  static Item newMessage();
  static Item newCall(const std::string &name);

  /// Takes the answer's next text; `ends`: its last. Events go to `out` unless it is null.
  void take(std::string_view text, bool ends, std::string *out);
  void takePiece(const ToolCallReader::Piece &piece, std::string *out);
  void open(Item item, std::string *out);
  void append(std::string_view text, std::string *out);
  /// Ends the item that is being written, if there is one.
  void close(std::string *out);
  /// The answer is over; `stopped`: because it was complete.
  void finish(bool stopped, std::string *out);

  boost::json::object show(const Item &item, const char *status) const;
  boost::json::object shown(const Item &item) const {
    return show(item, item.complete ? "completed" : "incomplete");
  }
  boost::json::array output() const;
  boost::json::object response(const char *status, const Usage *usage) const;
  /// Members that say which item, or which text of a message, an event is about.
  boost::json::object at(bool content) const;
  void event(std::string *out, std::string_view type, boost::json::object members);

  const AnswerHead head;
  const boost::json::object echoed;
  std::optional<ToolCallReader> reader; ///< If there may be calls.
  std::vector<Item> items;
  bool writing = false; ///< The last item is not closed.
  int64_t sequenceNumber = 0;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_RESPONSEFORMAT_H
