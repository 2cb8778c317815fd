//===- TransportLoader.cpp - Opens the message-passing library ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/TransportLoader.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <optional>
#include <string>
#include <unistd.h>

namespace tenon::collective {

namespace {
struct Launched {
  uint32_t processes = 1, rank = 0;
};
} // namespace

static std::optional<uint32_t> numberIn(const char *variable) {
  const char *value = std::getenv(variable);
  if (!value)
    return std::nullopt;
  char *end = nullptr;
  const unsigned long number = std::strtoul(value, &end, 10);
  if (end == value || *end != 0 || number > UINT32_MAX)
    return std::nullopt;
  return static_cast<uint32_t>(number);
}

static Launched launched() {
  // Open MPI; MPICH, Intel MPI and others with a process manager; MVAPICH.
  constexpr const char *kVariables[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                           {"PMI_SIZE", "PMI_RANK"},
                                           {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"}};
  for (const auto &[size, rank] : kVariables)
    if (const auto processes = numberIn(size); processes && *processes > 1)
      return {*processes, numberIn(rank).value_or(0)};
  return {};
}

uint32_t launchedProcesses() { return launched().processes; }

uint32_t launchedRank() { return launched().rank; }

static std::string besideExecutable() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0 || length == ssize_t(sizeof(path)))
    return kTransportFile;
  std::string folder(path, static_cast<size_t>(length));
  folder.resize(folder.rfind('/') + 1);
  return folder + "../lib/" + kTransportFile;
}

StatusOr<Transport *> loadTransport() {
  const std::string path = besideExecutable();
  // MPI libraries open parts of themselves, which look for the rest among the global symbols.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library)
    return Status::unsupported("several processes were started together, and the MPI part of tenon "
                               "cannot be opened: " +
                               std::string(dlerror()) +
                               "; build tenon where MPI is installed (Debian: libopenmpi-dev "
                               "openmpi-bin), and install MPI here");
  const auto entry = reinterpret_cast<TransportEntry>(dlsym(library, kTransportEntry));
  const char *error = "it has no entry point";
  Transport *transport = entry ? entry(kTransportVersion, &error) : nullptr;
  if (!transport)
    return Status::unsupported(path + ": " + error);
  return transport;
}

} // namespace tenon::collective
