//===- PromptFields.cpp - Texts and token ids of a request ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/PromptFields.h"

#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

namespace json = boost::json;

/// Token ids, if `list` holds only those of the vocabulary.
static std::optional<std::vector<int32_t>> readIds(RequestFields &fields, const char *name,
                                                   const json::array &list, uint32_t vocabulary) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const json::value &value : list) {
    const auto id = asInteger(value);
    if (!id || *id < 0 || *id >= vocabulary) {
      fields.refuse(
          name, "invalid_value",
          fmt::format("Invalid '{}': expected token ids from 0 to {}.", name, vocabulary - 1));
      return std::nullopt;
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

PromptFields readPrompts(RequestFields &fields, const char *name, const ServedModel &model,
                         uint32_t most, bool addSpecial) {
  PromptFields out;
  const json::value *given = fields.find(name);
  if (!given) {
    fields.take(ApiError::missing(name));
    return out;
  }
  const auto addText = [&](const json::string &s) {
    auto ids = model.tokenizer.encode({s.data(), s.size()}, addSpecial);
    if (!ids)
      return fields.refuse(name, "invalid_value", ids.status().message());
    out.ids.push_back(std::move(*ids));
    out.texts.emplace_back(s.data(), s.size());
  };
  const auto addIds = [&](const json::array &list) {
    if (auto ids = readIds(fields, name, list, model.vocabulary)) {
      out.texts.push_back(model.tokenizer.decode(*ids, /*skipSpecial=*/false));
      out.ids.push_back(std::move(*ids));
    }
  };
  const json::array *list = given->if_array();
  if (const json::string *s = given->if_string()) {
    addText(*s);
  } else if (!list || list->empty()) {
    fields.refuseType(name, "a string, an array of strings, or an array of token ids", *given);
  } else if (list->front().is_number()) {
    addIds(*list);
  } else if (list->size() > most) {
    fields.refuse(
        name, "array_above_max_length",
        fmt::format("Invalid '{}': at most {} prompts, got {}.", name, most, list->size()));
  } else {
    for (const json::value &value : *list) {
      if (fields.failed())
        break;
      if (const json::string *s = value.if_string())
        addText(*s);
      else if (const json::array *ids = value.if_array())
        addIds(*ids);
      else
        fields.refuseType(name, "strings or arrays of token ids", value);
    }
  }
  return out;
}

} // namespace tenon::server
