//===- Processes.h - Commands that several processes run --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_PROCESSES_H
#define TENON_TOOLS_TENON_PROCESSES_H

#include "runtime/base/Status.h"
#include "runtime/executor/Executor.h"
#include "tools/tenon/Session.h"

#include <boost/json/fwd.hpp>

#include <functional>

namespace tenon::tool {

/// Runs `body`, a command for an engine. Where a launcher (mpirun) has started several processes,
/// they join; rank 0 runs `body` with `options.cluster` set, and the others compute what it says.
/// When a process dies or hangs, each of the others prints who it was and ends with the code of
/// Unavailable.
Status withProcesses(RunOptions &options, const std::function<Status()> &body);

/// Says why and ends the process without running anything more: threads of it may wait for what
/// will never come.
[[noreturn]] void endJob(const Status &why);

/// As withProcesses(), but every rank runs `body`, with `options.cluster` set to its own.
Status onEveryProcess(RunOptions &options, const std::function<Status()> &body);

/// Runs `body`, a command that several processes can do no more of than one, where a launcher has
/// started none or on its first process alone; the others have nothing to do and nothing to say.
Status onFirstProcess(const std::function<Status()> &body);

/// Of a command run by several processes: one object each, with rank, host and memory. Empty for
/// one.
StatusOr<boost::json::array> processesJson(const RunOptions &options, executor::Executor &executor);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_PROCESSES_H
