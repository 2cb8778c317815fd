//===- Session.cpp - An engine ready to answer ----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/Session.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

namespace tenon::tool {

void addRunOptions(CLI::App &command, RunOptions &o) {
  command.add_option("engine", o.engine, "Engine file that tenon-compile wrote")->required();
  command.add_option("--threads", o.threads, "Worker threads (default: one for each core)")
      ->check(CLI::Range(1u, 1024u));
  command.add_option("--variant", o.variant,
                     "Force kernels: avx2, avxvnni, avx512, amx, neon or neoni8mm");
  command.add_option("--kv-memory", o.kvMemory, "Memory of the KV cache, such as 512MiB")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--max-sequences", o.maxSequences, "Sequences computed together at most");
  command.add_option("--step-tokens", o.stepTokens, "Tokens of a step at most (the prompt chunk)");
  command.add_option("--max-context", o.maxContext, "Positions a sequence may have");
  command.add_flag("--verify-weights", o.verifyWeights,
                   "Check the weights' checksum while loading");
  command.add_flag(
      "--huge-pages", o.hugePages,
      "Copy the weights into huge pages: faster decode, slower start, memory not shared");
  command.add_flag("--no-pin", o.noPin, "Do not bind workers to processors");
  command.add_option(
      "--micro-batch", o.microBatch,
      "On a pipeline: rows of a step that go through the stages together (default: by the step's "
      "size)");
  command
      .add_option("--rank-timeout", o.rankTimeout,
                  "With several chips or processes (mpirun): seconds within one launch, or without "
                  "a sign of "
                  "life, after which a chip or process has failed (default 6)")
      ->check(between(1, 3600));
}

void addSamplingOptions(CLI::App &command, sample::SamplingParams &s) {
  CLI::Option *drawn = command.add_option("--temperature", s.temperature,
                                          "0: always the most likely token (default)");
  // Without a temperature nothing is drawn. With one of 0 neither, but then somebody said so.
  command.add_option("--top-k", s.topK, "Keep the K most likely tokens; 0: all")->needs(drawn);
  command.add_option("--top-p", s.topP, "Keep the most likely tokens up to this probability")
      ->needs(drawn);
  command
      .add_option("--min-p", s.minP, "Keep tokens with this share of the best one's probability")
      ->needs(drawn);
  command.add_option("--repetition-penalty", s.repetitionPenalty, "Above 1: fewer repetitions");
  command.add_option("--frequency-penalty", s.frequencyPenalty,
                     "Subtracted for each time generated");
  command.add_option("--presence-penalty", s.presencePenalty, "Subtracted once if generated");
  command.add_option("--seed", s.seed, "Seed of the random draws")->needs(drawn);
}

uint32_t Session::workersFor(const RunOptions &o) {
  if (o.threads)
    return o.threads;
  const uint32_t sharers = o.cluster ? o.cluster->peer(o.cluster->rank()).sharers : 1;
  return std::max(1u, cpu::readTopology().usefulWorkers / sharers);
}

/// Refuses options that would do nothing with an engine of this plan.
static Status checkOptions(const RunOptions &o, const engine::Plan &plan) {
  const auto refuse = [&](const char *option, const char *isFor) {
    return Status::invalidArgument(
        fmt::format("{} is for {}, and {} has one; leave it out", option, isFor, o.engine));
  };
  if (o.microBatch && plan.chips.size() == plan.chipsPerStage())
    return refuse("--micro-batch", "engines with several stages (--sharding pp=2)");
  if (o.rankTimeout && !o.cluster && plan.chips.size() * plan.replicas == 1)
    return refuse("--rank-timeout", "several chips or processes");
  return Status::ok();
}

StatusOr<std::unique_ptr<engine::Engine>> Session::openEngine(const RunOptions &o) {
  engine::EngineOptions engineOptions;
  engineOptions.verifyWeights = o.verifyWeights;
  engineOptions.copyWeights = o.hugePages;
  engineOptions.threads = workersFor(o);
  if (o.cluster) {
    engineOptions.process = o.cluster->rank();
    engineOptions.processes = o.cluster->size();
  }
  if (!o.variant.empty()) {
    engineOptions.variant = cpu::parseVariant(o.variant);
    if (!engineOptions.variant)
      return Status::invalidArgument("--variant " + o.variant +
                                     ": known are avx2, avxvnni, avx512, amx, neon and neoni8mm");
  }
  auto opened = engine::Engine::open(o.engine, engineOptions);
  if (opened)
    TENON_RETURN_IF_ERROR(checkOptions(o, (*opened)->plan()));
  if (opened && o.cluster && (*opened)->plan().replicas > 1)
    return Status::unsupported(
        fmt::format("{}: the engine has {} replicas, which one process runs; several processes "
                    "(mpirun) share the chips of one "
                    "replica only. Compile it without dp=, and start a job for each replica",
                    o.engine, (*opened)->plan().replicas));
  return opened;
}

StatusOr<std::unique_ptr<Session>> Session::open(const RunOptions &o) {
  std::unique_ptr<Session> session(new Session);
  session->options = o;
  session->workers = workersFor(o);
  if (o.cluster)
    TENON_RETURN_IF_ERROR(executor::CommandSender(*o.cluster).send(executor::Command::Open));
  auto opened = openEngine(o);
  Status status = opened.status();
  if (o.cluster) {
    executor::Outcome outcome = executor::Outcome::of(status);
    if (opened)
      outcome.identity = (*opened)->identity();
    status = executor::agree(*o.cluster, outcome);
  }
  if (!status)
    return status;
  session->opened = std::move(*opened);

  const auto bytes = session->opened->section(engine::SectionKind::Tokenizer);
  if (bytes.empty())
    return session;
  auto words =
      text::Tokenizer::load({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  if (!words)
    return Status(words.status().code(), o.engine + ": tokenizer: " + words.status().message());
  if (words->vocabularySize() < 0 ||
      uint32_t(words->vocabularySize()) > session->plan().model.vocabulary)
    return Status::dataLoss(fmt::format("{}: tokenizer: it has {} tokens and the model {}",
                                        o.engine, words->vocabularySize(),
                                        session->plan().model.vocabulary));
  session->words = std::move(*words);
  session->opened->releasePages(engine::SectionKind::Tokenizer); // checked whole, read in places
  return session;
}

StatusOr<std::unique_ptr<engine::Engine>> Session::inspect(const std::string &path) {
  engine::EngineOptions options;
  options.runnable = false;
  return engine::Engine::open(path, options);
}

std::vector<int32_t> Session::stopTokens() const {
  std::vector<int32_t> stops = plan().model.eos;
  if (words)
    for (int32_t id = 0; id < words->vocabularySize(); ++id)
      if (words->isEndOfGeneration(id) && !plan().isEos(id))
        stops.push_back(id);
  return stops;
}

StatusOr<std::vector<int32_t>> Session::encodePrompt(const std::string &prompt, bool raw) const {
  if (!raw) {
    const text::ChatMessage message{"user", prompt};
    return encodeChat({&message, 1});
  }
  if (!words)
    return Status::unsupported(options.engine + ": the engine has no tokenizer");
  return words->encode(prompt, /*addSpecial=*/true, /*parseSpecial=*/true);
}

StatusOr<std::vector<int32_t>>
Session::encodeChat(std::span<const text::ChatMessage> messages) const {
  if (!words)
    return Status::unsupported(options.engine + ": the engine has no tokenizer");
  if (!chatTemplate) {
    const std::string_view source = opened->text(engine::SectionKind::ChatTemplate);
    if (source.empty())
      return Status::unsupported(options.engine +
                                 ": the engine has no chat template; give the prompt with --raw");
    auto parsed = text::Template::parse(source);
    if (!parsed)
      return Status(parsed.status().code(), options.engine + ": " + parsed.status().message());
    chatTemplate = std::move(*parsed);
  }
  boost::json::object extra;
  const auto piece = [&](const char *name, int32_t id) {
    if (id >= 0) {
      const std::string_view spelled = words->tokenPiece(id);
      extra[name] = boost::json::string(spelled.data(), spelled.size());
    }
  };
  piece("bos_token", words->bos());
  piece("eos_token", words->eos());
  auto rendered =
      text::applyChatTemplate(*chatTemplate, messages, /*addGenerationPrompt=*/true, &extra);
  if (!rendered)
    return Status(rendered.status().code(), options.engine + ": " + rendered.status().message());
  return words->encode(*rendered, /*addSpecial=*/false, /*parseSpecial=*/true);
}

Status Session::prepare(executor::CapacityRequest wanted, Watch watch, uint32_t replicas) {
  if (options.stepTokens)
    wanted.stepTokens = options.stepTokens;
  if (options.maxSequences)
    wanted.sequences = options.maxSequences;
  if (options.maxContext)
    wanted.context = options.maxContext;
  if (options.kvMemory)
    wanted.kvBytes = options.kvMemory;
  wanted.workers = workers;
  wanted.chips = opened->chips();
  auto capacity = executor::chooseCapacity(plan(), wanted);
  if (!capacity)
    return capacity.status();
  executor::ExecutorOptions executorOptions;
  executorOptions.pin = !options.noPin;
  executorOptions.microBatchRows = options.microBatch;
  executorOptions.timeLaunches = watch == Watch::Launches;
  executorOptions.trace = watch == Watch::Trace;
  executorOptions.cluster = options.cluster;
  auto made = executor::Replicas::create(*opened, *capacity, executorOptions, replicas);
  if (!made)
    return made.status();
  runners = std::move(*made);
  // Of a job's process the other processes learn which chip it is before they blame the process.
  for (uint32_t replica = 0; replica < runners->size(); ++replica)
    (*runners)[replica].watchForStalls(
        options.rankTimeout.value_or(kRankTimeout) * (options.cluster ? 0.75 : 1), endJob);
  return Status::ok();
}

std::string formatBytes(uint64_t bytes) {
  const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

uint64_t Session::plannedBytes() const {
  return runners->memory().total() + opened->section(engine::SectionKind::Tokenizer).size();
}

void printJson(const boost::json::object &object) {
  const std::string text = boost::json::serialize(object);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

} // namespace tenon::tool
