//===- ToolFields.h - Functions that the model may call ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Calls are written as Hermes and Qwen models write them, one after the other:
//
//     <tool_call>
//     {"name": "NAME", "arguments": {...}}
//     </tool_call>
//
// A grammar keeps the model to that, so what reads the calls (ToolCallReader) never guesses. A chat
// template that speaks of <tool_call> shows the tools itself; for any other the system message
// does.
//
#ifndef TENON_RUNTIME_SERVER_TOOLFIELDS_H
#define TENON_RUNTIME_SERVER_TOOLFIELDS_H

#include "runtime/grammar/Constraint.h"
#include "runtime/server/RequestFields.h"
#include "runtime/server/ServerOptions.h"

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tenon::server {

/// "tools", "tool_choice" and "parallel_tool_calls" of a request.
struct ToolFields {
  enum class Choice : uint8_t { None, Auto, Required };
  struct Tool {
    std::string name;
    boost::json::object parameters; ///< A schema of objects.
  };
  std::vector<Tool> tools;  ///< Those that may be called: one if the request names it.
  boost::json::array shown; ///< All of them in the nested style, as templates want them.
  Choice choice = Choice::None;
  bool parallel = true; ///< Several calls in one answer.

  bool wanted() const { return choice != Choice::None; }
};

/// Where a tool's name and parameters stand.
enum class ToolStyle : uint8_t {
  Nested, ///< {"type": "function", "function": {"name", ...}}: chat.
  Flat,   ///< {"type": "function", "name", ...}: responses.
};

/// Reads and checks them; errors are left in `fields`.
ToolFields readTools(RequestFields &fields, const Limits &limits,
                     ToolStyle style = ToolStyle::Nested);

/// What keeps an answer to the form of calls. `format`: what an answer without calls must look
/// like, if it must. Errors are left in `fields`.
std::optional<grammar::Constraint> constraintOf(const ToolFields &tools,
                                                const std::optional<grammar::Constraint> &format,
                                                RequestFields &fields, const Limits &limits);

/// Rewrites a conversation for a template that does not know tools: they are described in the
/// system message, calls become text, results are turns of the user.
void showToolsAsText(boost::json::array &messages, const ToolFields &tools);

/// For a template that knows them: the arguments of earlier calls become objects, as templates want
/// them.
void parseArguments(boost::json::array &messages);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_TOOLFIELDS_H
