//===- ModelsApi.cpp - /v1/models -----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ApiErrors.h"
#include "runtime/server/Apis.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

static boost::json::object describe(const ServedModel &model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "tenon"},
          {"max_model_len", model.context}};
}

void listModels(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  responder->respond(
      {}, boost::json::serialize(boost::json::object{
              {"object", "list"}, {"data", boost::json::array{describe(services.model)}}}));
}

void showModel(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const std::string_view name = std::string_view(request->path).substr(sizeof("/v1/models/") - 1);
  if (name == services.model.id)
    return responder->respond({}, boost::json::serialize(describe(services.model)));
  ApiError error = ApiError::notFound(
      "model_not_found",
      fmt::format("The model '{}' does not exist. This server has '{}'.", name, services.model.id));
  error.param = "model";
  error.answer(*responder);
}

} // namespace tenon::server
