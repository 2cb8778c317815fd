//===- ResponseInput.h - What a response is asked to answer -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_RESPONSEINPUT_H
#define TENON_RUNTIME_SERVER_RESPONSEINPUT_H

#include "runtime/server/RequestFields.h"
#include "runtime/server/ServerOptions.h"

namespace tenon::server {

/// "input" and "instructions" as the messages of a chat: items of type `function_call` become the
/// calls of the assistant's turn that they follow, those of type `function_call_output` become
/// turns of role `tool`; `reasoning` is passed over. Errors are left in `fields`.
boost::json::array readInput(RequestFields &fields, const Limits &limits);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_RESPONSEINPUT_H
