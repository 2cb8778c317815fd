//===- ApiDescription.cpp - What /openapi.json says -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ApiDescription.h"

#include "runtime/server/Assets.h"
#include "runtime/server/ModelFacts.h"
#include "runtime/server/ServerOptions.h"

#include <boost/json.hpp>

namespace tenon::server {

namespace json = boost::json;

/// Puts facts where their names stand, at any depth.
static void fillIn(json::value &at, const json::object &facts) {
  if (json::object *members = at.if_object()) {
    for (auto &member : *members)
      fillIn(member.value(), facts);
  } else if (json::array *items = at.if_array()) {
    for (json::value &item : *items)
      fillIn(item, facts);
  } else if (const json::string *text = at.if_string()) {
    if (const json::value *fact = facts.if_contains(*text))
      at = json::value(*fact);
  }
}

std::string describeApi(const ModelFacts &model, const Limits &limits) {
  const json::object facts{{"@model", model.id},
                           {"@context", model.context},
                           {"@vocabulary", model.vocabulary},
                           {"@lastToken", model.vocabulary - 1},
                           {"@choices", limits.choices},
                           {"@fanOut", limits.fanOut},
                           {"@embeddingInputs", limits.embeddingInputs},
                           {"@hidden", model.hidden},
                           {"@stopStrings", limits.stopStrings},
                           {"@stopCharacters", limits.stopCharacters},
                           {"@stopTokenIds", limits.stopTokenIds},
                           {"@logitBias", limits.logitBias},
                           {"@topLogprobs", limits.topLogprobs},
                           {"@messages", limits.messages}};
  json::value document =
      json::parse(json::string_view(assets::openApi.data(), assets::openApi.size()));
  fillIn(document, facts);
  return json::serialize(document);
}

} // namespace tenon::server
