//===- Transport.h - Messages between processes -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// All that the runtime asks of a message-passing library. What implements it is a shared object of
// its own (MpiTransport.cpp) that is opened when processes were started together, so that an
// installed runtime needs no such library to start.
//
#ifndef TENON_RUNTIME_COLLECTIVE_TRANSPORT_H
#define TENON_RUNTIME_COLLECTIVE_TRANSPORT_H

#include <cstddef>
#include <cstdint>

namespace tenon::collective {

/// One process of a job, of `size()` in all. Calls must not overlap; any thread may make them.
class Transport {
public:
  /// A message under way. The buffer stays valid and, for a send, unchanged until test() says Done.
  struct Request {
    uint64_t handle = 0;
  };
  enum class Progress : uint8_t { Pending, Done, Failed };
  /// Bytes of a message at most.
  static constexpr uint64_t kMostBytes = uint64_t(1) << 30;

  virtual ~Transport() = default;
  virtual uint32_t rank() const = 0;
  virtual uint32_t size() const = 0;

  /// Both return at once. Messages between two ranks with one tag arrive in order. False: refused,
  /// see error().
  virtual bool send(const void *data, uint64_t bytes, uint32_t to, int tag, Request &request) = 0;
  virtual bool receive(void *data, uint64_t bytes, uint32_t from, int tag, Request &request) = 0;

  /// Moves all messages on, and says how far `request` is. With Done, `bytes` is what arrived.
  virtual Progress test(Request &request, uint64_t *bytes = nullptr) = 0;
  /// Takes back a receive that nothing will answer.
  virtual void cancel(Request &request) = 0;

  /// Of the last call that failed. Valid until the next call.
  virtual const char *error() const = 0;

  /// Ends this process's part in the job, once all ranks call it. Nothing may follow.
  virtual void leave() = 0;
};

/// Changes with the class above: an object of another build is refused.
inline constexpr uint32_t kTransportVersion = 1;
/// What the shared object exports under kTransportEntry. Null, and a static text in `error`, if the
/// versions differ or the library cannot start. Called once in a process; the caller owns nothing.
using TransportEntry = Transport *(*)(uint32_t version, const char **error);
inline constexpr char kTransportEntry[] = "tenon_mpi_transport";
inline constexpr char kTransportFile[] = "libtenon_mpi.so";

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_TRANSPORT_H
