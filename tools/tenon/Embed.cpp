//===- Embed.cpp - tenon embed --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/FileMapping.h"
#include "runtime/generate/Generator.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace tenon::tool {

namespace {

struct EmbedOptions {
  RunOptions run;
  std::vector<std::string> texts;
  std::string file, lines;
  generate::Pooling pooling = generate::Pooling::Last;
  uint32_t dimensions = 0; ///< 0: all.
  bool noSpecial = false, raw = false, json = false;
};

/// Keeps the vectors in order of the requests.
class Collector : public generate::Listener {
public:
  Collector(size_t count, const EmbedOptions &o) : vectors(count), options(o) {}
  void onPooled(const generate::PooledEvent &event) override {
    vectors[event.request] = generate::toEmbedding(event.vector, options.dimensions, !options.raw);
  }
  std::vector<std::vector<float>> vectors;

private:
  const EmbedOptions &options;
};

StatusOr<std::vector<std::string>> readTexts(const EmbedOptions &o) {
  if (int(!o.texts.empty()) + int(!o.file.empty()) + int(!o.lines.empty()) != 1)
    return Status::invalidArgument(
        "embed: give one of --text, --file and --lines (\"-\" reads standard input)");
  if (!o.texts.empty())
    return o.texts;
  auto content = readTextFile(o.file.empty() ? o.lines : o.file);
  if (!content)
    return content.status();
  if (!o.file.empty())
    return std::vector<std::string>{std::move(*content)};
  std::vector<std::string> texts;
  for (size_t at = 0; at < content->size();) {
    const size_t end = std::min(content->find('\n', at), content->size());
    std::string line = content->substr(at, end - at);
    if (line.ends_with('\r'))
      line.pop_back();
    if (!line.empty())
      texts.push_back(std::move(line));
    at = end + 1;
  }
  if (texts.empty())
    return Status::invalidArgument(o.lines + ": no line has text");
  return texts;
}

Status run(const EmbedOptions &o) {
  auto texts = readTexts(o);
  if (!texts)
    return texts.status();
  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  if (session.engine().section(engine::SectionKind::Tokenizer).empty())
    return Status::unsupported(o.run.engine + ": the engine has no tokenizer");
  const uint32_t width = session.plan().model.hidden;
  if (o.dimensions > width)
    return Status::invalidArgument(
        fmt::format("--dimensions is {}; the model's vectors have {}", o.dimensions, width));
  std::vector<std::vector<int32_t>> prompts;
  size_t longest = 0, tokens = 0;
  for (const std::string &text : *texts) {
    auto ids = session.tokenizer().encode(text, !o.noSpecial, /*parseSpecial=*/false);
    if (!ids)
      return ids.status();
    if (ids->empty())
      return Status::invalidArgument(
          fmt::format("text {} has no tokens, so it has no vector", prompts.size()));
    longest = std::max(longest, ids->size());
    tokens += ids->size();
    prompts.push_back(std::move(*ids));
  }

  const engine::Plan &plan = session.plan();
  executor::CapacityRequest wanted;
  wanted.sequences =
      static_cast<uint32_t>(std::min<size_t>(prompts.size(), plan.limits.defaultSequences));
  wanted.context = static_cast<uint32_t>(std::min<size_t>(longest, plan.limits.maxContext));
  wanted.kvBytes = *wanted.sequences *
                   ((*wanted.context + plan.kv.blockTokens - 1) / plan.kv.blockTokens) *
                   plan.kv.bytesPerBlock;
  TENON_RETURN_IF_ERROR(session.prepare(wanted));
  Collector collector(prompts.size(), o);
  generate::Generator generator(session.executor(), plan);
  for (const std::vector<int32_t> &prompt : prompts) {
    generate::Request request;
    request.prompt = prompt;
    request.pooling = o.pooling;
    if (auto added = generator.add(std::move(request)); !added)
      return added.status();
  }
  while (generator.hasWork())
    TENON_RETURN_IF_ERROR(generator.step(collector));

  if (o.json) {
    printJson({{"embeddings", boost::json::value_from(collector.vectors)},
               {"dimensions", o.dimensions ? o.dimensions : width},
               {"prompt_tokens", tokens}});
    return Status::ok();
  }
  for (const std::vector<float> &vector : collector.vectors) {
    for (size_t i = 0; i < vector.size(); ++i)
      fmt::print("{}{:.9g}", i ? " " : "", vector[i]);
    fmt::print("\n");
  }
  return Status::ok();
}

} // namespace

void addEmbed(CLI::App &app, Action &action) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App *command =
      app.add_subcommand("embed", "Vectors for texts: the model's last hidden state");
  addRunOptions(*command, options->run);
  command->add_option("--text", options->texts, "A text; give it again for more");
  command->add_option("--file", options->file, "A file that is one text; - is standard input");
  command->add_option("--lines", options->lines,
                      "A file with a text in each line; - is standard input");
  addChoice<generate::Pooling>(
      *command, "--pooling", options->pooling,
      {{"last", generate::Pooling::Last}, {"mean", generate::Pooling::Mean}},
      "last: the last token's state, which has seen the others; mean: the mean of all");
  command->add_option("--dimensions", options->dimensions,
                      "Only the first N numbers of each vector");
  command->add_flag("--no-normalize", options->raw,
                    "Leave vectors at the length that they have, not 1");
  command->add_flag("--no-special", options->noSpecial, "Add no begin-of-text token");
  command->add_flag("--json", options->json, "{\"embeddings\": [[...]]} on standard output");
  command->footer("\nExamples:\n"
                  "  tenon embed m.tenon --text \"A sentence.\" --text \"Another.\" --json\n"
                  "  tenon embed m.tenon --lines sentences.txt --pooling mean > vectors.txt");
  command->callback([options, &action] {
    action = [options] { return withProcesses(options->run, [&] { return run(*options); }); };
  });
}

} // namespace tenon::tool
