//===- Services.h - What every route may use --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_SERVICES_H
#define TENON_RUNTIME_SERVER_SERVICES_H

#include <atomic>
#include <string>

namespace tenon::grammar {
class GrammarStore;
}

namespace tenon::server {

class Admission;
class ClientLimits;
class Dispatcher;
class Metrics;
class RequestLog;
struct ServedModel;
struct ServerOptions;

/// Lives as long as the server. Every member may be used by any thread.
struct Services {
  const ServerOptions &options;
  const ServedModel &model;
  Dispatcher &dispatcher;
  Metrics &metrics;
  Admission &admission;
  ClientLimits &clients;
  RequestLog &log;
  grammar::GrammarStore *grammars;  ///< Null where this build has none.
  std::atomic<bool> &draining;      ///< Take no new work.
  const std::string apiDescription; ///< What /openapi.json says.
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_SERVICES_H
