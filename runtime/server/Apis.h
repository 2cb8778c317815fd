//===- Apis.h - The routes' handlers ----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Each answers one route's requests, from its own file. They run on an I/O thread and return at
// once; what takes long goes to the engine's thread.
//
#ifndef TENON_RUNTIME_SERVER_APIS_H
#define TENON_RUNTIME_SERVER_APIS_H

#include "runtime/server/HttpMessage.h"
#include "runtime/server/Services.h"

namespace tenon::server {

/// POST /v1/chat/completions
void chatCompletions(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// POST /v1/completions
void completions(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// POST /v1/responses
void responses(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// POST /v1/embeddings
void embeddings(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// POST /tokenize, /detokenize
void tokenize(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void detokenize(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// GET / (a page to talk with the model), /openapi.json
void showPage(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void showOpenApi(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// GET /v1/models, GET /v1/models/{id}
void listModels(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void showModel(Services &services, const RequestPtr &request, const ResponderPtr &responder);
/// GET /health, /ready, /version, /metrics
void showHealth(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void showReady(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void showVersion(Services &services, const RequestPtr &request, const ResponderPtr &responder);
void showMetrics(Services &services, const RequestPtr &request, const ResponderPtr &responder);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_APIS_H
