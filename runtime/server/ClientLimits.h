//===- ClientLimits.h - No client takes all places --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_CLIENTLIMITS_H
#define TENON_RUNTIME_SERVER_CLIENTLIMITS_H

#include "runtime/server/HttpMessage.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tenon::server {

/// Counts the requests of each client that are being answered. Thread-safe; holds entries of active
/// clients only.
class ClientLimits {
public:
  /// `most`: requests of one client at a time; 0: any number.
  explicit ClientLimits(uint32_t most) : most(most) {}

  /// `responder` for a request of `client`, which counts until it is answered or its client has
  /// left; null if the client has as many already. The limits outlive it.
  ResponderPtr admit(const std::string &client, const ResponderPtr &responder);

  size_t activeClients() const;

private:
  class Place;
  class Counted;
  void leave(const std::string &client);

  const uint32_t most;
  mutable std::mutex mutex;
  std::unordered_map<std::string, uint32_t> active; ///< Guarded by `mutex`.
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_CLIENTLIMITS_H
