//===- MpiTransport.cpp - Messages by MPI ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The whole of libtenon_mpi.so, and the only file that knows MPI. Point to point messages are all
// that is used: sums must be in order of chip, which MPI's own reductions do not promise.
//
#include "runtime/collective/Transport.h"

#include <cstdlib>
#include <cstring>
#include <mpi.h>

namespace tenon::collective {

namespace {

/// MPI_Request is a pointer in some libraries and a number in others.
static_assert(sizeof(MPI_Request) <= sizeof(uint64_t));
MPI_Request unpack(const Transport::Request &request) {
  MPI_Request out;
  std::memcpy(&out, &request.handle, sizeof(out));
  return out;
}
void pack(MPI_Request from, Transport::Request &request) {
  request.handle = 0;
  std::memcpy(&request.handle, &from, sizeof(from));
}

class MpiTransport final : public Transport {
public:
  bool start(const char **why) {
    // Open MPI asks hwloc, whose plugins load parts of X11 and an XML parser: 3 MB of every
    // process, for nothing that is used here. A path of the user's own stays.
    setenv("HWLOC_PLUGINS_PATH", "/nonexistent", /*overwrite=*/0);
    int provided = MPI_THREAD_SINGLE;
    if (!succeeded(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided))) {
      *why = text;
      return false;
    }
    if (provided < MPI_THREAD_SERIALIZED) {
      *why = "MPI was built without support for threads";
      return false;
    }
    // A broken connection is reported to the caller, who knows which rank it was.
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &ownRank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    return true;
  }

  uint32_t rank() const override { return static_cast<uint32_t>(ownRank); }
  uint32_t size() const override { return static_cast<uint32_t>(ranks); }

  bool send(const void *data, uint64_t bytes, uint32_t to, int tag, Request &request) override {
    MPI_Request made = MPI_REQUEST_NULL;
    if (!succeeded(MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, static_cast<int>(to), tag,
                             MPI_COMM_WORLD, &made)))
      return false;
    pack(made, request);
    return true;
  }

  bool receive(void *data, uint64_t bytes, uint32_t from, int tag, Request &request) override {
    MPI_Request made = MPI_REQUEST_NULL;
    if (!succeeded(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, static_cast<int>(from), tag,
                             MPI_COMM_WORLD, &made)))
      return false;
    pack(made, request);
    return true;
  }

  Progress test(Request &request, uint64_t *bytes) override {
    MPI_Request held = unpack(request);
    MPI_Status status;
    int done = 0;
    if (!succeeded(MPI_Test(&held, &done, &status)))
      return Progress::Failed;
    pack(held, request);
    if (!done)
      return Progress::Pending;
    int count = 0;
    if (bytes && succeeded(MPI_Get_count(&status, MPI_BYTE, &count)))
      *bytes = count < 0 ? 0 : static_cast<uint64_t>(count);
    return Progress::Done;
  }

  void cancel(Request &request) override {
    MPI_Request held = unpack(request);
    if (held != MPI_REQUEST_NULL && MPI_Cancel(&held) == MPI_SUCCESS)
      MPI_Wait(&held, MPI_STATUS_IGNORE);
    pack(MPI_REQUEST_NULL, request);
  }

  const char *error() const override { return text; }
  void leave() override { MPI_Finalize(); }

private:
  bool succeeded(int code) {
    if (code == MPI_SUCCESS)
      return true;
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS)
      std::strcpy(text, "unknown error of MPI");
    return false;
  }

  int ownRank = 0, ranks = 1;
  char text[MPI_MAX_ERROR_STRING] = "";
};

} // namespace

extern "C" __attribute__((visibility("default"))) Transport *
tenon_mpi_transport(uint32_t version, const char **error) {
  static MpiTransport transport;
  if (version != kTransportVersion) {
    *error = "it belongs to another version of tenon";
    return nullptr;
  }
  return transport.start(error) ? &transport : nullptr;
}

} // namespace tenon::collective
