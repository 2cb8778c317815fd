//===- TransportLoader.h - Opens the message-passing library ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_TRANSPORTLOADER_H
#define TENON_RUNTIME_COLLECTIVE_TRANSPORTLOADER_H

#include "runtime/base/Status.h"
#include "runtime/collective/Transport.h"

namespace tenon::collective {

/// How many processes a launcher (mpirun and the like) has started together, as its environment
/// says; 1 without one. Reads variables only: nothing is loaded.
uint32_t launchedProcesses();

/// Which of them this one is, from 0, by the same variables; 0 without a launcher.
uint32_t launchedRank();

/// Opens libtenon_mpi.so in `../lib` of the executable's folder and joins the job; once in a
/// process. Unsupported if this build has none, or the machine no MPI: the message says what to
/// install. The transport lives as long as the process.
StatusOr<Transport *> loadTransport();

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_TRANSPORTLOADER_H
