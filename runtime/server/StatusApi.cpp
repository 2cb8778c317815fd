//===- StatusApi.cpp - /health, /ready, /version, /metrics ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/GrammarStore.h"
#include "runtime/server/ApiErrors.h"
#include "runtime/server/Apis.h"
#include "runtime/server/Dispatcher.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/ServerOptions.h"

namespace tenon::server {

void showHealth(Services &, const RequestPtr &, const ResponderPtr &responder) {
  responder->respond({}, R"({"status":"ok"})");
}

void showReady(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  if (services.draining.load(std::memory_order_relaxed))
    return ApiError::overloaded("The server is shutting down.", 5).answer(*responder);
  responder->respond({}, R"({"status":"ready"})");
}

void showVersion(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  std::string out = R"({"version":")" TENON_VERSION R"(","model":)";
  appendJsonString(out, services.model.id);
  out += R"(,"system_fingerprint":")" + services.model.fingerprint + "\"}";
  responder->respond({}, out);
}

void showMetrics(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  HttpHead head;
  head.contentType = "text/plain; version=0.0.4; charset=utf-8";
  responder->respond(head,
                     services.metrics.text(services.dispatcher.loads(),
                                           services.grammars ? services.grammars->stats()
                                                             : grammar::GrammarStore::Stats()));
}

} // namespace tenon::server
