//===- Verify.cpp - tenon verify ------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Clock.h"
#include "runtime/text/Tokenizer.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace tenon::tool {

/// Everything that loading checks, and what it leaves out: the weights' checksums, and the sections
/// that only some commands read.
static Status run(const std::string &path) {
  Stopwatch watch;
  auto opened = Session::inspect(path);
  if (!opened)
    return opened.status();
  const engine::Engine &engine = **opened;
  fmt::print("header, section table, checksums and plan: ok ({:.1f} ms)\n", watch.milliseconds());
  for (const engine::Section &section : engine.sections().sections()) {
    watch.restart();
    if (Status status = engine::SectionTable::verify(section); !status)
      return {status.code(), path + ": " + status.message()};
    fmt::print("{}: ok, {} ({:.1f} ms)\n", section.name(), formatBytes(section.bytes.size()),
               watch.milliseconds());
  }
  const auto bytes = engine.section(engine::SectionKind::Tokenizer);
  if (!bytes.empty()) {
    auto words =
        text::Tokenizer::load({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
    if (!words)
      return {words.status().code(), path + ": tokenizer: " + words.status().message()};
    fmt::print("tokenizer: {} tokens\n", words->vocabularySize());
  }
  if (const std::string_view source = engine.text(engine::SectionKind::ChatTemplate);
      !source.empty()) {
    auto parsed = text::Template::parse(source);
    if (!parsed)
      return {parsed.status().code(), path + ": " + parsed.status().message()};
    fmt::print("chat template: parses\n");
  }
  for (const engine::CheckPlan &c : engine.plan().checks)
    fmt::print("certificate: {}: {} samples, max error {:.3g} absolute, {:.3g} relative\n",
               c.region, c.samples, c.maxAbsError, c.maxRelError);
  if (engine.plan().checks.empty())
    fmt::print("certificate: none (tenon-compile --verify makes one)\n");
  return Status::ok();
}

void addVerify(CLI::App &app, Action &action) {
  auto path = std::make_shared<std::string>();
  CLI::App *command =
      app.add_subcommand("verify", "Check an engine: every section, every index, every weight");
  command->add_option("engine", *path, "Engine file")->required();
  command->footer("\nExample:\n  tenon verify m.tenon && echo sound");
  command->callback(
      [path, &action] { action = [path] { return onFirstProcess([&] { return run(*path); }); }; });
}

} // namespace tenon::tool
