//===- ChatMessages.h - A conversation, checked -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_CHATMESSAGES_H
#define TENON_RUNTIME_SERVER_CHATMESSAGES_H

#include "runtime/server/RequestFields.h"
#include "runtime/server/ServerOptions.h"

namespace tenon::server {

/// Reads "messages" as the chat template wants them: each has a role, and content that is one
/// string (text parts are joined; "developer" is "system"). Other fields of a message (name, tool
/// calls) are passed on. Errors are left in `fields`.
boost::json::array readMessages(RequestFields &fields, const Limits &limits);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_CHATMESSAGES_H
