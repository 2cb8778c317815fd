//===- Template.h - Chat templates ------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A Jinja interpreter for the chat templates that come with checkpoints. It renders as Python's
// jinja2 does with the settings of transformers (ImmutableSandboxedEnvironment, trim_blocks,
// lstrip_blocks, loop controls, `generation` blocks), and is bounded: templates are untrusted
// input.
//
#ifndef TENON_RUNTIME_TEXT_TEMPLATE_H
#define TENON_RUNTIME_TEXT_TEMPLATE_H

#include "runtime/base/Status.h"

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tenon::text {

/// What one rendering may use; beyond it, rendering ends in a ResourceExhausted that names the
/// limit and the line.
struct TemplateLimits {
  uint64_t maxSteps = 10'000'000;           ///< Statements and expression nodes evaluated.
  uint32_t maxDepth = 100;                  ///< Nested macro calls and blocks.
  size_t maxOutputBytes = size_t(64) << 20; ///< Of the rendered text.
  size_t maxValueBytes = size_t(256) << 20; ///< Bytes of all strings and lists made on the way.
  int64_t now =
      -1; ///< Unix time that strftime_now() shows, in UTC; -1: the system's clock and zone.
};

struct TemplateProgram;

/// A parsed template. Immutable: any number of threads may render one at a time. Cheap to copy.
class Template {
public:
  /// Longest source that parse() takes.
  static constexpr size_t kMaxSourceBytes = size_t(4) << 20;

  /// Errors are InvalidArgument, "chat template, line N: what was found and what was wanted".
  static StatusOr<Template> parse(std::string_view source);

  /// Renders with the members of `context` as variables. A template's own raise_exception(message)
  /// is an InvalidArgument with that message.
  StatusOr<std::string> render(const boost::json::object &context,
                               const TemplateLimits &limits = {}) const;

private:
  explicit Template(std::shared_ptr<const TemplateProgram> p) : program(std::move(p)) {}
  std::shared_ptr<const TemplateProgram> program;
};

/// One turn of a conversation.
struct ChatMessage {
  std::string role; ///< "system", "user", "assistant", "tool"
  std::string content;
};

/// Renders `messages` with the variables that transformers passes: `messages`,
/// `add_generation_prompt`, `tools` and `documents` (none unless in `extra`), and the members of
/// `extra` (such as `bos_token`, `eos_token`, `tools`), which win. For messages with more fields
/// (tool calls, parts of content) build the context yourself and call Template::render().
StatusOr<std::string> applyChatTemplate(const Template &chatTemplate,
                                        std::span<const ChatMessage> messages,
                                        bool addGenerationPrompt,
                                        const boost::json::object *extra = nullptr,
                                        const TemplateLimits &limits = {});

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_TEMPLATE_H
