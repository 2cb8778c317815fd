//===- ApiDescription.h - What /openapi.json says ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_APIDESCRIPTION_H
#define TENON_RUNTIME_SERVER_APIDESCRIPTION_H

#include <string>

namespace tenon::server {

struct Limits;
struct ModelFacts;

/// The OpenAPI document with this server's own numbers: assets/openapi.json, where a string such as
/// "@context" stands for a fact of the model or a limit of the operator.
std::string describeApi(const ModelFacts &model, const Limits &limits);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_APIDESCRIPTION_H
