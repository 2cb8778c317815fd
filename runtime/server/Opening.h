//===- Opening.h - How every request for text begins ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_OPENING_H
#define TENON_RUNTIME_SERVER_OPENING_H

#include "runtime/server/Generation.h"
#include "runtime/server/ToolFields.h"

#include <boost/json.hpp>

#include <memory>
#include <optional>

namespace tenon::server {

/// A request to chat, completions or responses while its fields are read: the body, what the three
/// have in common, and the way to a Generation. A route reads its own fields in between.
class Opening {
public:
  /// Parses the body and reads the shared fields. Null if there is no body to read: then it is
  /// answered. `promptField` is what errors about the prompt name.
  static std::unique_ptr<Opening> of(Services &services, const RequestPtr &request,
                                     const ResponderPtr &responder, const char *promptField);

  /// Where tools are wanted, they become the form of the answer.
  void useTools(const ToolFields &tools);
  /// The prompt: the chat template over `messages`, which show `tools` and earlier calls. What the
  /// template refuses is left in `fields`.
  void useChat(boost::json::array messages, const ToolFields &tools);
  /// "chatcmpl-" and the like, the time, the model.
  AnswerHead head(const char *prefix) const;

  /// Answers the first error and says true, if there is one.
  bool refused() const;
  /// The fields are right and `plan` is complete.
  void start(std::unique_ptr<AnswerFormat> format);

  Services &services;
  const Limits &limits;
  const boost::json::object body;
  RequestFields fields; ///< Of `body`.
  GenerationPlan plan;

private:
  Opening(Services &services, const RequestPtr &request, const ResponderPtr &responder,
          boost::json::object body);

  const RequestPtr request;
  const ResponderPtr responder;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_OPENING_H
