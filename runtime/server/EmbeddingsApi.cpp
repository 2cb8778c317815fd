//===- EmbeddingsApi.cpp - /v1/embeddings ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ApiErrors.h"
#include "runtime/server/Apis.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

/// No engine has an embedding output yet: plans end in logits. When one has, it is answered here.
void embeddings(Services &services, const RequestPtr &, const ResponderPtr &responder) {
  ApiError error = ApiError::invalid(
      "model", "unsupported_operation",
      fmt::format("The model '{}' generates text and has no embeddings.", services.model.id));
  error.answer(*responder);
}

} // namespace tenon::server
