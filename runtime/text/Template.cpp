//===- Template.cpp - Chat templates --------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Template.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Lexer.h"
#include "runtime/text/jinja/Parser.h"
#include "runtime/text/jinja/Renderer.h"

#include <boost/json.hpp>

#include <new>
#include <stdexcept>
#include <unordered_map>

namespace tenon::text {

/// Runs `body`; what it throws becomes a status.
template <typename T, typename Body> static StatusOr<T> guarded(Body body) {
  try {
    return body();
  } catch (const jinja::Failure &failure) {
    return Status(failure.code, failure.message);
  } catch (const std::bad_alloc &) {
    return Status::resourceExhausted("chat template: there is not enough memory");
  } catch (const std::length_error &) {
    return Status::resourceExhausted("chat template: a value is too large");
  }
}

StatusOr<Template> Template::parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    return Status::invalidArgument("chat template: it has " + std::to_string(source.size()) +
                                   " bytes, at most " + std::to_string(kMaxSourceBytes) +
                                   " are read");
  if (const size_t valid = validPrefix(source); valid != source.size())
    return Status::invalidArgument("chat template: byte " + std::to_string(valid) +
                                   " is not UTF-8");
  return guarded<Template>([&] {
    jinja::Budget budget{TemplateLimits()};
    auto program = std::make_shared<TemplateProgram>();
    jinja::Parser(budget, jinja::tokenize(budget, source), *program).parse();
    return Template(std::move(program));
  });
}

StatusOr<std::string> Template::render(const boost::json::object &context,
                                       const TemplateLimits &limits) const {
  return guarded<std::string>([&] {
    jinja::Budget budget(limits);
    // Names that the template never mentions are not converted.
    std::vector<std::pair<jinja::NameId, jinja::Value>> variables;
    for (size_t id = 0; id < program->names.size(); ++id)
      if (const boost::json::value *value = context.if_contains(program->names[id]))
        variables.emplace_back(jinja::NameId(id), jinja::fromJson(budget, *value));
    return jinja::Renderer(*program, budget).render(std::move(variables));
  });
}

StatusOr<std::string> applyChatTemplate(const Template &chatTemplate,
                                        std::span<const ChatMessage> messages,
                                        bool addGenerationPrompt, const boost::json::object *extra,
                                        const TemplateLimits &limits) {
  boost::json::object context;
  boost::json::array &turns = context["messages"].emplace_array();
  for (const ChatMessage &message : messages)
    turns.push_back({{"role", message.role}, {"content", message.content}});
  context["add_generation_prompt"] = addGenerationPrompt;
  context["tools"] = nullptr;
  context["documents"] = nullptr;
  if (extra)
    for (const auto &[name, value] : *extra)
      context[name] = value;
  return chatTemplate.render(context, limits);
}

} // namespace tenon::text
