//===- Server.h - An engine behind HTTP -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_SERVER_H
#define TENON_RUNTIME_SERVER_SERVER_H

#include "runtime/base/Status.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/Replicas.h"
#include "runtime/server/ServerOptions.h"
#include "runtime/text/Tokenizer.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::server {

struct ServedEngine {
  const engine::Engine &engine;
  const text::Tokenizer &tokenizer;
  std::vector<int32_t> stopTokens;
};

/// Listens first and computes later: open(), then make the executors, then run().
class Server {
public:
  /// Binds the address and starts the I/O threads' set-up, so that a wrong address fails before
  /// memory is taken. Forks the process that compiles grammars, so no other thread may run. Nothing
  /// is accepted yet.
  /// With `certificate` and `key` (PEM files; both or neither) it speaks TLS; SIGHUP reads them
  /// again.
  static StatusOr<std::unique_ptr<Server>> open(const ServerOptions &options,
                                                const ServedEngine &served,
                                                const std::string &certificate = {},
                                                const std::string &key = {});
  ~Server();

  uint16_t port() const;

  /// From here on SIGTERM and SIGINT (and SIGHUP with TLS) are kept for run(), which does it too.
  /// For callers that tell somebody of the server before run(), who may at once want its end.
  void catchSignals();

  /// Serves until SIGTERM or SIGINT, which lets running requests end first, and a second one, which
  /// does not. The replicas' threads compute, the calling one among them; it must be the one that
  /// made `executors`.
  Status run(const ServedEngine &served, executor::Replicas &executors);

private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_SERVER_H
