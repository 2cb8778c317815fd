//===- TransportLoader.cpp - Opens the message-passing library ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/TransportLoader.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <unistd.h>

namespace tenon::collective {

uint32_t launchedProcesses() {
  // Open MPI; MPICH, Intel MPI and others with a process manager; MVAPICH.
  for (const char *name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"})
    if (const char *value = std::getenv(name)) {
      char *end = nullptr;
      const unsigned long count = std::strtoul(value, &end, 10);
      if (end != value && *end == 0 && count > 1 && count <= UINT32_MAX)
        return static_cast<uint32_t>(count);
    }
  return 1;
}

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
