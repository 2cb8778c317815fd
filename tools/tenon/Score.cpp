//===- Score.cpp - tenon score --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Clock.h"
#include "runtime/base/FileMapping.h"
#include "runtime/engine/Checksum.h"
#include "runtime/generate/Generator.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <cmath>
#include <cstdio>

namespace tenon::tool {

namespace {

struct ScoreOptions {
  RunOptions run;
  std::string text, dumpLogits;
  uint32_t maxTokens = 0; ///< 0: as many as the context holds.
  uint32_t top = 0;
  bool noSpecial = false, json = false;
};

/// Turns each position's logits into what was asked for; keeps no logits.
class Scorer : public generate::Listener {
public:
  Scorer(std::span<const int32_t> ids, uint32_t top, uint32_t vocabulary, std::FILE *dump)
      : ids(ids), top(top), sampler(vocabulary), dump(dump) {
    nll.reserve(ids.size());
  }

  void onPromptLogits(uint64_t, uint32_t position, std::span<const float> logits) override {
    checksum.update(logits.data(), logits.size_bytes());
    if (dump && std::fwrite(logits.data(), sizeof(float), logits.size(), dump) != logits.size())
      dumpFailed = true;
    if (position + 1 >= ids.size())
      return;
    nll.push_back(-double(sample::Sampler::logprob(logits, ids[position + 1])));
    if (top) {
      alternatives.emplace_back();
      sampler.topLogprobs(logits, top, alternatives.back());
    }
  }

  std::vector<double> nll;
  std::vector<std::vector<sample::TokenLogprob>> alternatives;
  engine::StreamingChecksum checksum;
  bool dumpFailed = false;

private:
  std::span<const int32_t> ids;
  const uint32_t top;
  sample::Sampler sampler;
  std::FILE *dump;
};

void printResult(const ScoreOptions &o, std::span<const int32_t> ids, const Scorer &scorer,
                 double mean) {
  boost::json::array top;
  for (const auto &list : scorer.alternatives) {
    boost::json::array entry;
    for (const sample::TokenLogprob &t : list)
      entry.push_back({{"id", t.id}, {"logprob", t.logprob}});
    top.push_back(std::move(entry));
  }
  const engine::Checksum128 sum = scorer.checksum.digest();
  printJson({{"ids", boost::json::array(ids.begin(), ids.end())},
             {"nll", boost::json::value_from(scorer.nll)},
             {"mean_nll", mean},
             {"perplexity", std::exp(mean)},
             {"top", std::move(top)},
             {"logits_xxh3", fmt::format("{:016x}{:016x}", sum.high, sum.low)}});
}

Status run(const ScoreOptions &o) {
  auto content = readTextFile(o.text);
  if (!content)
    return content.status();
  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  if (session.plan().model.vocabulary == 0 ||
      session.engine().section(engine::SectionKind::Tokenizer).empty())
    return Status::unsupported(o.run.engine + ": the engine has no tokenizer");
  auto ids = session.tokenizer().encode(*content, !o.noSpecial, /*parseSpecial=*/false);
  if (!ids)
    return ids.status();
  const uint32_t context = o.run.maxContext.value_or(session.plan().limits.maxContext);
  const size_t most = o.maxTokens ? std::min(o.maxTokens, context) : context;
  if (ids->size() > most) {
    if (!o.maxTokens)
      fmt::print(stderr, "tenon: the text has {} tokens; the first {} are scored\n", ids->size(),
                 most);
    ids->resize(most);
  }
  if (ids->size() < 2)
    return Status::invalidArgument(o.text + ": a score needs at least two tokens");

  executor::CapacityRequest wanted;
  wanted.sequences = 1;
  wanted.context = static_cast<uint32_t>(ids->size());
  wanted.stepTokens = std::min(64u, session.plan().limits.maxStepTokens);
  wanted.logitRows = session.plan().limits.maxStepTokens;
  const engine::KvPlan &kv = session.plan().kv;
  wanted.kvBytes = (ids->size() + kv.blockTokens - 1) / kv.blockTokens * kv.bytesPerBlock;
  TENON_RETURN_IF_ERROR(session.prepare(wanted));

  std::FILE *dump = nullptr;
  if (!o.dumpLogits.empty() && !(dump = std::fopen(o.dumpLogits.c_str(), "wb")))
    return Status::invalidArgument(o.dumpLogits + ": cannot be written");
  Scorer scorer(*ids, o.top, session.plan().model.vocabulary, dump);
  generate::Generator generator(session.executor(), session.plan());
  generate::Request request;
  request.prompt = *ids;
  request.scoreOnly = true;
  Status status;
  if (auto added = generator.add(std::move(request)); !added)
    status = added.status();
  const Stopwatch watch;
  while (status && generator.hasWork())
    status = generator.step(scorer);
  const double seconds = watch.seconds();
  if (dump && (std::fclose(dump) != 0 || scorer.dumpFailed) && status)
    status = Status::resourceExhausted(o.dumpLogits + ": cannot be written completely");
  TENON_RETURN_IF_ERROR(status);

  double sum = 0;
  for (double n : scorer.nll)
    sum += n;
  const double mean = sum / double(scorer.nll.size());
  if (o.json) {
    printResult(o, *ids, scorer, mean);
    return Status::ok();
  }
  fmt::print("{} tokens, mean negative log-likelihood {:.6f}, perplexity {:.4f}\n", ids->size(),
             mean, std::exp(mean));
  fmt::print(stderr, "{:.1f} tokens/s\n", double(ids->size()) / seconds);
  return Status::ok();
}

} // namespace

void addScore(CLI::App &app, Action &action) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App *command =
      app.add_subcommand("score", "Log-probabilities and perplexity of a text file");
  addRunOptions(*command, options->run);
  command->add_option("--text", options->text, "A file with the text; - is standard input")
      ->required();
  command->add_option("--max-tokens", options->maxTokens, "Score the first N tokens only");
  CLI::Option *top = command->add_option("--top", options->top,
                                         "With --json: the K most likely tokens of each position");
  command->add_option("--dump-logits", options->dumpLogits,
                      "Write the logits of every position as raw f32 [tokens, vocabulary]");
  command->add_flag("--no-special", options->noSpecial, "Add no begin-of-text token");
  top->needs(command->add_flag(
      "--json", options->json,
      "One JSON object; its logits_xxh3 is equal exactly if all logits are equal bits"));
  command->footer(
      "\nExamples:\n"
      "  tenon score m.tenon --text book.txt --max-tokens 2048\n"
      "  tenon score m.tenon --text book.txt --step-tokens 7 --json   # same bits, other chunks");
  command->callback([options, &action] {
    action = [options] { return withProcesses(options->run, [&] { return run(*options); }); };
  });
}

} // namespace tenon::tool
