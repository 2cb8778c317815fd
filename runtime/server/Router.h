//===- Router.h - Which handler answers -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_ROUTER_H
#define TENON_RUNTIME_SERVER_ROUTER_H

#include "runtime/server/HttpMessage.h"
#include "runtime/server/Services.h"

#include <string>
#include <vector>

namespace tenon::server {

enum class Guard : uint8_t { Key, Open };
/// Computing requests count for their client (ClientLimits.h).
enum class Work : uint8_t { Light, Computing };

/// Finds the handler of a request by method and path, after checking that its client may. What is
/// not listed as open needs a key, unknown paths included.
class Router {
public:
  explicit Router(Services &services) : services(services) {}

  /// A path that ends in "/*" takes everything below it.
  void add(std::string method, std::string path, Guard guard,
           void (*handler)(Services &, const RequestPtr &, const ResponderPtr &),
           Work work = Work::Light);

  void handle(const RequestPtr &request, const ResponderPtr &responder);

  /// The pattern of the request's path; "other" if there is none. For metrics.
  const std::string &patternOf(const std::string &path) const;

private:
  struct Route {
    std::string method, path;
    Guard guard;
    void (*handler)(Services &, const RequestPtr &, const ResponderPtr &);
    Work work;
    bool matches(std::string_view asked) const;
  };
  void compute(const Route &route, const std::string &client, const RequestPtr &request,
               const ResponderPtr &responder);

  Services &services;
  std::vector<Route> routes;
};

/// The method if it is one of HTTP's common ones, else "OTHER": metrics need few labels.
const char *knownMethod(const std::string &method);

/// All routes of the server.
void addRoutes(Router &router, const Services &services);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_ROUTER_H
