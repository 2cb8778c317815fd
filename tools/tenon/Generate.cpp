//===- Generate.cpp - tenon generate --------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Clock.h"
#include "runtime/base/FileMapping.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/generate/Generator.h"
#include "runtime/grammar/TokenGrammar.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace tenon::tool {

namespace {

struct GenerateOptions {
  RunOptions run;
  sample::SamplingParams sampling;
  std::vector<std::string> prompts;
  uint32_t maxNewTokens = 128;
  uint32_t logprobs = 0;
  std::string jsonSchema, regex, grammar; ///< At most one is not empty.
  bool raw = false, ignoreEos = false, json = false, quiet = false;
};

/// One prompt's way to its answer.
struct Answer {
  std::vector<int32_t> promptIds, ids;
  std::vector<sample::TokenLogprob> chosen;
  std::vector<std::vector<sample::TokenLogprob>> alternatives;
  generate::FinishReason finish = generate::FinishReason::None;
  std::optional<text::DecodeStream> stream;
  double firstMs = 0, lastMs = 0;
};

/// Collects the answers of one replica, of `replicas` among which they were dealt out; a single one
/// is shown as it grows.
class Collector : public generate::Listener {
public:
  Collector(std::vector<Answer> &answers, uint32_t replica, uint32_t replicas, bool show)
      : answers(answers), replica(replica), replicas(replicas), show(show) {}

  void onToken(const generate::TokenEvent &event) override {
    Answer &a = answers[event.request * replicas + replica];
    a.lastMs = watch.milliseconds();
    if (a.firstMs == 0)
      a.firstMs = a.lastMs;
    a.finish = event.finish;
    if (event.finish == generate::FinishReason::Cancelled)
      return;
    if (event.finish != generate::FinishReason::Stop) {
      a.ids.push_back(event.token);
      a.chosen.push_back({event.token, event.logprob});
      if (!event.alternatives.empty())
        a.alternatives.emplace_back(event.alternatives.begin(), event.alternatives.end());
      if (show)
        put(a.stream->push(event.token));
    }
    if (show && event.finish != generate::FinishReason::None) {
      put(a.stream->finish());
      put("\n");
    }
  }

private:
  static void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  std::vector<Answer> &answers;
  const uint32_t replica, replicas;
  const bool show;
  const Stopwatch watch;
};

struct Figures {
  double loadMs, ttftMs, tpotMs, prefillRate, decodeRate;
  uint64_t planned, measured;
};

Figures measure(double loadMs, const std::vector<Answer> &answers,
                const std::vector<generate::StepStats> &replicas, uint64_t planned) {
  Figures f{loadMs, 0, 0, 0, 0, planned, residentBytes()};
  size_t several = 0;
  for (const Answer &a : answers) {
    f.ttftMs += a.firstMs / double(answers.size());
    if (a.ids.size() > 1) {
      f.tpotMs += (a.lastMs - a.firstMs) /
                  double(a.ids.size() - (a.finish != generate::FinishReason::Stop));
      ++several;
    }
  }
  f.tpotMs = several ? f.tpotMs / double(several) : 0;
  for (const generate::StepStats &stats : replicas) { // They compute at the same time.
    if (stats.prefillNanos)
      f.prefillRate += double(stats.promptTokens) * 1e9 / double(stats.prefillNanos);
    if (stats.decodeNanos)
      f.decodeRate += double(stats.decodeTokens) * 1e9 / double(stats.decodeNanos);
  }
  return f;
}

boost::json::array toJson(std::span<const sample::TokenLogprob> list) {
  boost::json::array array;
  for (const sample::TokenLogprob &t : list)
    array.push_back({{"id", t.id}, {"logprob", t.logprob}});
  return array;
}

void printResults(const GenerateOptions &o, const std::vector<Answer> &answers, Session &session,
                  const Figures &f, boost::json::array processes) {
  boost::json::array results;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer &a = answers[i];
    boost::json::object result{{"prompt", o.prompts[i]},
                               {"prompt_ids", boost::json::value_from(a.promptIds)},
                               {"ids", boost::json::value_from(a.ids)},
                               {"text", session.tokenizer().decode(a.ids, true)},
                               {"finish_reason", generate::finishReasonName(a.finish)}};
    if (o.logprobs) {
      boost::json::array tokens;
      for (size_t t = 0; t < a.chosen.size(); ++t)
        tokens.push_back({{"id", a.chosen[t].id},
                          {"logprob", a.chosen[t].logprob},
                          {"top", toJson(a.alternatives[t])}});
      result["logprobs"] = std::move(tokens);
    }
    results.push_back(std::move(result));
  }
  boost::json::object stats{{"load_ms", f.loadMs},
                            {"ttft_ms", f.ttftMs},
                            {"tpot_ms", f.tpotMs},
                            {"prefill_tokens_per_second", f.prefillRate},
                            {"decode_tokens_per_second", f.decodeRate},
                            {"planned_bytes", f.planned},
                            {"measured_bytes", f.measured},
                            {"variant", std::string(cpu::variantName(session.engine().variant()))},
                            {"replicas", session.replicas().size()},
                            {"weights_made_ms", session.engine().madeWeightsMs()}};
  if (!processes.empty())
    stats["processes"] = std::move(processes);
  printJson({{"results", std::move(results)}, {"stats", std::move(stats)}});
}

/// Blocks for all prompts and answers of the replica that has most at once, unless that is more
/// than the plan's default.
executor::CapacityRequest sizeFor(const std::vector<Answer> &answers, uint32_t replicas,
                                  uint32_t maxNewTokens, const engine::Plan &plan) {
  executor::CapacityRequest wanted;
  uint64_t promptTokens = 0, blocks = 0, longest = 0;
  for (uint32_t replica = 0; replica < replicas; ++replica) {
    uint64_t ownTokens = 0, ownBlocks = 0;
    for (size_t i = replica; i < answers.size(); i += replicas) {
      const uint64_t tokens =
          std::min<uint64_t>(answers[i].promptIds.size() + maxNewTokens, plan.limits.maxContext);
      ownTokens += answers[i].promptIds.size();
      ownBlocks += (tokens + plan.kv.blockTokens - 1) / plan.kv.blockTokens;
      longest = std::max(longest, tokens);
    }
    promptTokens = std::max(promptTokens, ownTokens);
    blocks = std::max(blocks, ownBlocks);
  }
  wanted.sequences = static_cast<uint32_t>(
      std::min<uint64_t>((answers.size() + replicas - 1) / replicas, plan.limits.maxSequences));
  wanted.context = static_cast<uint32_t>(std::max<uint64_t>(longest, 1));
  wanted.stepTokens = static_cast<uint32_t>(std::min<uint64_t>(
      plan.limits.defaultStepTokens, std::max<uint64_t>({promptTokens, *wanted.sequences, 1})));
  const uint64_t one = (longest + plan.kv.blockTokens - 1) / plan.kv.blockTokens;
  wanted.kvBytes = std::max(std::min(blocks * plan.kv.bytesPerBlock, plan.limits.defaultKvBytes),
                            one * plan.kv.bytesPerBlock);
  return wanted;
}

StatusOr<grammar::Constraint> readConstraint(const GenerateOptions &o) {
  const grammar::Limits limits;
  if (!o.regex.empty())
    return grammar::Constraint::ofRegex(o.regex, limits);
  const bool schema = !o.jsonSchema.empty();
  const std::string &path = schema ? o.jsonSchema : o.grammar;
  auto text = readTextFile(path);
  if (!text)
    return text.status();
  if (!schema)
    return grammar::Constraint::ofGrammar(std::move(*text), limits);
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(*text, error);
  if (error)
    return Status::invalidArgument(path + ": is not JSON (" + error.message() + ")");
  auto made = grammar::Constraint::ofSchema(parsed, limits);
  if (!made)
    return Status::invalidArgument(path + ": " + made.status().message());
  return made;
}

/// The grammar that answers must follow; null if any text will do. The user's own, so nothing
/// bounds its compilation.
StatusOr<std::shared_ptr<const grammar::TokenGrammar>> compileGrammar(const GenerateOptions &o,
                                                                      Session &s) {
  if (o.jsonSchema.empty() && o.regex.empty() && o.grammar.empty())
    return std::shared_ptr<const grammar::TokenGrammar>();
  const auto constraint = readConstraint(o);
  if (!constraint)
    return constraint.status();
  auto vocabulary =
      grammar::Vocabulary::of(s.tokenizer(), s.stopTokens(), s.plan().model.vocabulary);
  if (!vocabulary)
    return vocabulary.status();
  return grammar::Compiler(*vocabulary, size_t(64) << 20).compile(*constraint);
}

/// Every prompt's tokens, and room for its answer.
StatusOr<std::vector<Answer>> readPrompts(const GenerateOptions &o, const Session &session) {
  std::vector<Answer> answers(o.prompts.size());
  for (size_t i = 0; i < o.prompts.size(); ++i) {
    auto ids = session.encodePrompt(o.prompts[i], o.raw);
    if (!ids)
      return ids.status();
    if (ids->empty())
      return Status::invalidArgument("the prompt is empty");
    answers[i].promptIds = std::move(*ids);
    answers[i].ids.reserve(o.maxNewTokens);
    answers[i].stream.emplace(session.tokenizer(), true);
  }
  return answers;
}

using Generators = std::vector<std::unique_ptr<generate::Generator>>;

/// One for each replica; prompts are dealt out among them. `grammar` may be null.
StatusOr<Generators> dealOut(const GenerateOptions &o, Session &s,
                             const std::vector<Answer> &answers, uint32_t replicas,
                             const grammar::TokenGrammar *grammar) {
  Generators generators;
  for (uint32_t replica = 0; replica < replicas; ++replica) {
    generators.push_back(std::make_unique<generate::Generator>(s.replicas()[replica], s.plan()));
    for (size_t i = replica; i < answers.size(); i += replicas) {
      generate::Request request;
      request.prompt = answers[i].promptIds;
      request.sampling = o.sampling;
      request.sampling.topLogprobs = o.logprobs;
      request.sampling.logprobs = o.logprobs > 0;
      request.maxNewTokens = o.maxNewTokens;
      if (!o.ignoreEos)
        request.stopTokens = s.stopTokens();
      if (grammar)
        request.mask = grammar->newMask(request.stopTokens, request.maxNewTokens);
      if (auto added = generators.back()->add(std::move(request)); !added)
        return added.status();
    }
  }
  return generators;
}

/// For people: answers that were not shown while they grew, and figures.
void printText(const GenerateOptions &o, const std::vector<Answer> &answers, const Session &session,
               const Figures &f) {
  if (answers.size() > 1)
    for (size_t i = 0; i < answers.size(); ++i)
      fmt::print("--- {}\n{}\n", o.prompts[i], session.tokenizer().decode(answers[i].ids, true));
  if (!o.quiet)
    fmt::print(
        stderr,
        "loaded in {:.1f} ms; first token after {:.1f} ms, then {:.2f} ms each; prefill {:.1f} "
        "and decode {:.1f} tokens/s; memory {} planned, {} measured\n",
        f.loadMs, f.ttftMs, f.tpotMs, f.prefillRate, f.decodeRate, formatBytes(f.planned),
        formatBytes(f.measured));
}

Status run(const GenerateOptions &o) {
  Stopwatch loading;
  auto session = Session::open(o.run);
  if (!session)
    return session.status();
  Session &s = **session;
  double loadMs = loading.milliseconds();
  auto read = readPrompts(o, s);
  if (!read)
    return read.status();
  std::vector<Answer> &answers = *read;
  loading.restart();
  const auto replicas = static_cast<uint32_t>(std::min<size_t>(s.plan().replicas, answers.size()));
  TENON_RETURN_IF_ERROR(
      s.prepare(sizeFor(answers, replicas, o.maxNewTokens, s.plan()), Watch::Nothing, replicas));
  loadMs += loading.milliseconds();

  const auto grammar = compileGrammar(o, s);
  if (!grammar)
    return grammar.status();
  auto generators = dealOut(o, s, answers, replicas, grammar->get());
  if (!generators)
    return generators.status();
  const bool show = !o.json && answers.size() == 1;
  TENON_RETURN_IF_ERROR(s.replicas().onEach([&](uint32_t replica) -> Status {
    Collector collector(answers, replica, replicas, show);
    while ((*generators)[replica]->hasWork())
      TENON_RETURN_IF_ERROR((*generators)[replica]->step(collector));
    return Status::ok();
  }));
  for (const Answer &a : answers)
    if (a.finish == generate::FinishReason::Cancelled)
      return Status::resourceExhausted(
          "the grammar became too complex while the answer grew; simplify it");

  std::vector<generate::StepStats> stats;
  for (const auto &generator : *generators)
    stats.push_back(generator->stats());
  const Figures figures = measure(loadMs, answers, stats, s.plannedBytes());
  if (!o.json) {
    printText(o, answers, s, figures);
    return Status::ok();
  }
  auto processes = processesJson(o.run, s.executor());
  if (!processes)
    return processes.status();
  printResults(o, answers, s, figures, std::move(*processes));
  return Status::ok();
}

} // namespace

void addGenerate(CLI::App &app, Action &action) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App *command = app.add_subcommand("generate", "Answer one prompt or several at once");
  addRunOptions(*command, options->run);
  command->add_option("--prompt", options->prompts, "The prompt; give it again for more sequences")
      ->required()
      ->allow_extra_args(false)
      ->take_all();
  command->add_flag(
      "--raw", options->raw,
      "Take the prompt as it is (special tokens as the tokenizer's settings say), without "
      "the chat template");
  command->add_option("--max-new-tokens", options->maxNewTokens, "Tokens of an answer at most")
      ->check(CLI::Range(1u, 1u << 24));
  CLI::Option *endless =
      command->add_flag("--ignore-eos", options->ignoreEos, "Do not stop at the end-of-text token");
  command->add_option(
      "--logprobs", options->logprobs,
      "With --json: log-probabilities of each token and of its N best alternatives");
  addSamplingOptions(*command, options->sampling);
  CLI::Option_group *form = command->add_option_group("Form of the answer", "At most one");
  form->add_option("--json-schema", options->jsonSchema,
                   "A file with a JSON schema that answers must fit");
  form->add_option("--regex", options->regex,
                   "A regular expression that answers must match as a whole");
  form->add_option("--grammar", options->grammar,
                   "A file with an EBNF grammar, its first rule \"root\"");
  form->require_option(0, 1);
  for (CLI::Option *given : form->get_options())
    endless->excludes(given); // A form says itself where the answer ends.
  CLI::Option *json =
      command->add_flag("--json", options->json, "One JSON object on standard output");
  command->add_flag("--quiet", options->quiet, "Only the answer, no figures")->excludes(json);
  command->footer(
      "\nExamples:\n"
      "  tenon generate m.tenon --prompt \"Why is the sky blue?\" --max-new-tokens 200\n"
      "  tenon generate m.tenon --raw --prompt \"def fib(n):\" --temperature 0.8 --top-p 0.95 "
      "--seed 7\n"
      "  tenon generate m.tenon --prompt \"A river, as JSON:\" --json-schema river.json\n"
      "  tenon generate m.tenon --prompt A --prompt B --json    # both in one batch");
  command->callback([options, &action] {
    if (options->logprobs > 0 && !options->json)
      throw CLI::ValidationError("--logprobs", "log-probabilities are in JSON alone; add --json");
    action = [options] { return withProcesses(options->run, [&] { return run(*options); }); };
  });
}

} // namespace tenon::tool
