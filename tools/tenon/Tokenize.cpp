//===- Tokenize.cpp - tenon tokenize --------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/FileMapping.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

namespace tenon::tool {

namespace {

struct TokenizeOptions {
  std::string engine, text, file;
  bool noSpecial = false, json = false;
};

Status run(const TokenizeOptions &o, bool hasText) {
  if (hasText == !o.file.empty())
    return Status::invalidArgument("tokenize: give --text or --file (\"-\" reads standard input)");
  auto engine = Session::inspect(o.engine);
  if (!engine)
    return engine.status();
  const auto bytes = (*engine)->section(engine::SectionKind::Tokenizer);
  if (bytes.empty())
    return Status::unsupported(o.engine + ": the engine has no tokenizer");
  auto tokenizer =
      text::Tokenizer::load({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  if (!tokenizer)
    return Status(tokenizer.status().code(),
                  o.engine + ": tokenizer: " + tokenizer.status().message());
  std::string text = o.text;
  if (!hasText) {
    auto content = readTextFile(o.file);
    if (!content)
      return content.status();
    text = std::move(*content);
  }
  auto ids = tokenizer->encode(text, !o.noSpecial, true);
  if (!ids)
    return ids.status();
  if (o.json) {
    printJson({{"ids", boost::json::value_from(*ids)}});
    return Status::ok();
  }
  for (int32_t id : *ids) {
    std::string shown;
    for (unsigned char c : tokenizer->tokenBytes(id))
      shown += c == '\n' ? "\\n" : c < 0x20 ? fmt::format("\\x{:02x}", c) : std::string(1, char(c));
    fmt::print("{:>8}  {}\n", id, shown);
  }
  return Status::ok();
}

} // namespace

void addTokenize(CLI::App &app, Action &action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App *command = app.add_subcommand("tokenize", "Show the tokens of a text");
  command->add_option("engine", options->engine, "Engine file")->required();
  CLI::Option *text = command->add_option("--text", options->text, "The text itself");
  command->add_option("--file", options->file, "A file with the text; - is standard input");
  command->add_flag("--no-special", options->noSpecial,
                    "Add no begin- or end-of-text token, whatever the tokenizer's settings say");
  command->add_flag("--json", options->json, "{\"ids\": [...]} on standard output");
  command->footer("\nExample:\n  tenon tokenize m.tenon --text \"Hello world\" --json");
  command->callback([options, text, &action] {
    action = [options, given = text->count() > 0] {
      return onFirstProcess([&] { return run(*options, given); });
    };
  });
}

} // namespace tenon::tool
