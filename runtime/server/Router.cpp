//===- Router.cpp - Which handler answers ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Router.h"

#include "runtime/server/ApiErrors.h"
#include "runtime/server/Apis.h"
#include "runtime/server/Auth.h"
#include "runtime/server/ClientLimits.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/ServerOptions.h"

#include <fmt/core.h>

namespace tenon::server {

void Router::add(std::string method, std::string path, Guard guard,
                 void (*handler)(Services &, const RequestPtr &, const ResponderPtr &), Work work) {
  routes.push_back({std::move(method), std::move(path), guard, handler, work});
}

bool Router::Route::matches(std::string_view asked) const {
  if (!path.ends_with("/*"))
    return asked == path;
  const std::string_view folder = std::string_view(path).substr(0, path.size() - 1);
  return asked.size() > folder.size() && asked.starts_with(folder);
}

const std::string &Router::patternOf(const std::string &path) const {
  static const std::string other = "other";
  for (const Route &route : routes)
    if (route.matches(path))
      return route.path;
  return other;
}

void Router::handle(const RequestPtr &request, const ResponderPtr &responder) {
  // HEAD is GET whose body the connection leaves out.
  const std::string_view asked = request->method;
  const std::string_view method = asked == "HEAD" ? "GET" : asked;
  const Route *route = nullptr;
  std::string allowed;
  for (const Route &r : routes) {
    if (!r.matches(request->path))
      continue;
    if (r.method == method && !route)
      route = &r;
    allowed += (allowed.empty() ? "" : ", ") + r.method;
  }
  std::string client = request->client;
  const std::vector<std::string> &keys = services.options.apiKeys;
  if (!keys.empty() && !(route && route->guard == Guard::Open)) {
    const std::string_view given = request->header("authorization");
    if (const auto key = authorizedKey(given, keys)) {
      client = fmt::format("key {}", *key);
    } else {
      const ApiError error = ApiError::unauthorized(!given.empty());
      if (request->path != "/")
        return error.answer(*responder);
      // Browsers ask for the key themselves then, and send it with the page's own requests.
      HttpHead head;
      head.status = error.status;
      head.headers.emplace_back("www-authenticate", "Basic realm=\"Tenon\"");
      return responder->respond(head, error.body());
    }
  }
  if (route && route->work == Work::Computing)
    return compute(*route, client, request, responder);
  if (route)
    return route->handler(services, request, responder);
  if (allowed.empty())
    return ApiError::notFound("unknown_url", fmt::format("Unknown request URL: {} {}. Please check "
                                                         "the URL for typos.",
                                                         request->method, request->path))
        .answer(*responder);
  ApiError error =
      ApiError::invalid({}, "method_not_supported",
                        fmt::format("{} is not allowed here; use {}.", request->method, allowed));
  HttpHead head;
  head.status = 405;
  head.headers.emplace_back("allow", allowed);
  responder->respond(head, error.body());
}

void Router::compute(const Route &route, const std::string &client, const RequestPtr &request,
                     const ResponderPtr &responder) {
  if (const ResponderPtr counted = services.clients.admit(client, responder))
    return route.handler(services, request, counted);
  services.metrics.onRejected("client_requests");
  ApiError::tooMany(
      fmt::format("You have {} requests in progress, which is as many as a client may have. "
                  "Wait for one to end.",
                  services.options.clientRequests))
      .answer(*responder);
}

const char *knownMethod(const std::string &method) {
  for (const char *known : {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
    if (method == known)
      return known;
  return "OTHER";
}

void addRoutes(Router &router, const Services &services) {
  router.add("POST", "/v1/chat/completions", Guard::Key, chatCompletions, Work::Computing);
  router.add("POST", "/v1/completions", Guard::Key, completions, Work::Computing);
  router.add("POST", "/v1/responses", Guard::Key, responses, Work::Computing);
  router.add("POST", "/v1/embeddings", Guard::Key, embeddings, Work::Computing);
  router.add("POST", "/tokenize", Guard::Key, tokenize);
  router.add("POST", "/detokenize", Guard::Key, detokenize);
  router.add("GET", "/", Guard::Key, showPage);
  router.add("GET", "/openapi.json", Guard::Key, showOpenApi);
  router.add("GET", "/v1/models", Guard::Key, listModels);
  router.add("GET", "/v1/models/*", Guard::Key, showModel);
  router.add("GET", "/version", Guard::Key, showVersion);
  router.add("GET", "/health", Guard::Open, showHealth);
  router.add("GET", "/ready", Guard::Open, showReady);
  router.add("GET", "/metrics", services.options.openMetrics ? Guard::Open : Guard::Key,
             showMetrics);
}

} // namespace tenon::server
