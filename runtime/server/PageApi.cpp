//===- PageApi.cpp - / and /openapi.json ----------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Apis.h"
#include "runtime/server/Assets.h"

namespace tenon::server {

void showPage(Services &, const RequestPtr &, const ResponderPtr &responder) {
  HttpHead head;
  head.contentType = "text/html; charset=utf-8";
  // Everything the page needs is in it; it talks to this server alone.
  head.headers = {
      {"content-security-policy",
       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
       "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"x-content-type-options", "nosniff"}};
  responder->respond(head, assets::page);
}

void showOpenApi(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  responder->respond({}, services.apiDescription);
}

} // namespace tenon::server
