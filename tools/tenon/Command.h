//===- Command.h - What the subcommands share -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_COMMAND_H
#define TENON_TOOLS_TENON_COMMAND_H

#include "runtime/base/Status.h"

#include <functional>

namespace CLI {
class App;
}

namespace tenon::tool {

/// A subcommand after parsing: does its work, prints its answer on standard output.
using Action = std::function<Status()>;

/// Each adds its subcommand to `app`; parsing it sets `action`.
void addGenerate(CLI::App &app, Action &action);
void addChat(CLI::App &app, Action &action);
void addScore(CLI::App &app, Action &action);
void addEmbed(CLI::App &app, Action &action);
void addTokenize(CLI::App &app, Action &action);
void addInspect(CLI::App &app, Action &action);
void addVerify(CLI::App &app, Action &action);
void addBench(CLI::App &app, Action &action);
void addServe(CLI::App &app, Action &action);

/// Exit code of a status, as the help documents it.
int exitCode(StatusCode code);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_COMMAND_H
