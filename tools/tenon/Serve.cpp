//===- Serve.cpp - tenon serve --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Auth.h"
#include "runtime/server/Server.h"
#include "tools/tenon/BenchChip.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace tenon::tool {

namespace {

struct ServeOptions {
  RunOptions run;
  server::ServerOptions server;
  std::vector<std::string> keys;
  std::string keyFile, portFile, certificate, key;
  bool noPrefixTree = false, measureMachine = false;
  bool forReplicas = false; ///< Something was said that only replicas can do.
};

/// Sequences computed together, unless the operator says otherwise: more than a prompt on the
/// command line needs.
constexpr uint32_t kDefaultSequences = 64;

/// Unless the operator says otherwise, KV blocks for this many tokens of each sequence: with fewer,
/// a full house preempts all the time. Never more than a quarter of the machine's memory, all
/// replicas together.
constexpr uint32_t kDefaultTokensEach = 512;

/// Rows of a step, unless the operator says otherwise: a longer one computes prompts a few percent
/// faster, and whoever waits for a next token waits as much longer.
constexpr uint32_t kDefaultStepTokens = 256;

uint64_t defaultKvBytes(const engine::Plan &plan, uint32_t sequences) {
  const uint64_t tokens =
      uint64_t(sequences) * std::min(kDefaultTokensEach, plan.limits.maxContext);
  const uint64_t wanted =
      (tokens + plan.kv.blockTokens - 1) / plan.kv.blockTokens * plan.kv.bytesPerBlock;
  const auto memory = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGE_SIZE));
  return std::max(plan.limits.defaultKvBytes, std::min(wanted, memory / 4 / plan.replicas));
}

/// Takes half a second of all threads.
StatusOr<server::MachineRates> measureRates(const engine::Engine &engine, uint32_t threads) {
  auto limits = measureChip(threads, 0.5);
  if (!limits)
    return limits.status();
  uint64_t weights = 0;
  for (const engine::CallPlan &call : engine.plan().calls)
    for (const engine::LaunchPlan &launch : engine.plan().functions[call.function].launches)
      weights += launch.cost.weightBytes;
  const bool tiles = engine.variant() == engine::Variant::Amx;
  server::MachineRates rates;
  rates.weightBytes = limits->bytesPerSecond(double(weights));
  rates.activationBytes = std::max(
      {limits->l2.together.median, limits->l3.together.median, limits->dram.together.median});
  rates.f32Macs = limits->unit(cpu::MacUnit::F32).together.median;
  rates.integerMacs =
      limits->unit(tiles ? cpu::MacUnit::AmxInt8 : cpu::MacUnit::Int8).together.median;
  return rates;
}

Status writePort(const std::string &path, uint16_t port) {
  if (path.empty())
    return Status::ok();
  FILE *file = std::fopen(path.c_str(), "w");
  const bool good = file && std::fprintf(file, "%u\n", unsigned(port)) > 0;
  if ((file && std::fclose(file) != 0) || !good)
    return Status::notFound("--port-file " + path + ": cannot be written");
  return Status::ok();
}

Status run(const ServeOptions &o) {
  server::ServerOptions options = o.server;
  for (const std::string &key : o.keys) {
    if (Status status = server::checkKey(key); !status)
      return Status::invalidArgument("--api-key: " + status.message());
    options.apiKeys.push_back(key);
  }
  if (!o.keyFile.empty()) {
    auto keys = server::readKeyFile(o.keyFile);
    if (!keys)
      return keys.status();
    options.apiKeys.insert(options.apiKeys.end(), keys->begin(), keys->end());
  }
  if (options.openMetrics && options.apiKeys.empty())
    return Status::invalidArgument(
        "--open-metrics: there are no keys, so /metrics is open already; "
        "leave it out, or give --api-key or --api-key-file");
  options.prefixTree = !o.noPrefixTree;

  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  if (session.engine().section(engine::SectionKind::Tokenizer).empty())
    return Status::unsupported(o.run.engine + ": the engine has no tokenizer, and the server "
                                              "needs one");
  if (o.forReplicas && session.plan().replicas == 1)
    return Status::invalidArgument("--replica-slack is for engines with several replicas "
                                   "(--sharding dp=2), and " +
                                   o.run.engine + " has one; leave it out");
  if (o.measureMachine) {
    auto rates = measureRates(session.engine(), session.threads());
    if (!rates)
      return rates.status();
    options.machine = *rates;
  }
  auto server = server::Server::open(
      options, {session.engine(), session.tokenizer(), session.stopTokens()}, o.certificate, o.key);
  if (!server)
    return server.status();
  executor::CapacityRequest wanted;
  wanted.sequences = std::min(kDefaultSequences, session.plan().limits.maxSequences);
  const uint32_t sequences = o.run.maxSequences.value_or(*wanted.sequences);
  wanted.kvBytes = defaultKvBytes(session.plan(), sequences);
  // Beside a full house of decodes, prompts go on.
  wanted.stepTokens = std::min(session.plan().limits.defaultStepTokens,
                               std::max(kDefaultStepTokens, sequences + kDefaultStepTokens / 2));
  TENON_RETURN_IF_ERROR(session.prepare(wanted, Watch::Nothing, session.plan().replicas));
  (*server)->catchSignals();
  TENON_RETURN_IF_ERROR(writePort(o.portFile, (*server)->port()));
  return (*server)->run({session.engine(), session.tokenizer(), session.stopTokens()},
                        session.replicas());
}

} // namespace

void addServe(CLI::App &app, Action &action) {
  auto o = std::make_shared<ServeOptions>();
  server::ServerOptions &s = o->server;
  CLI::App *command = app.add_subcommand("serve", "Answer over HTTP, as the OpenAI API does");
  addRunOptions(*command, o->run);
  command->add_option("--host", s.host, "IP address to listen on (default 127.0.0.1)");
  command->add_option("--port", s.port, "Port (default 8000); 0: a free one")
      ->check(CLI::Range(0u, 65535u));
  command->add_option("--port-file", o->portFile, "Write the port into this file once listening");
  command->add_option("--served-model-name", s.modelName,
                      "What clients call the model (default: the file's name)");
  command->add_option("--api-key", o->keys, "A key that clients may use; give it again for more");
  command->add_option("--api-key-file", o->keyFile, "A file with such keys, one a line");
  command->add_option(
      "--tls-cert", o->certificate,
      "Speak HTTPS with this certificate (PEM, with its chain); SIGHUP reads it again");
  command->add_option("--tls-key", o->key, "The certificate's key (PEM)");
  command->add_flag("--open-metrics", s.openMetrics, "/metrics needs no key");
  command->add_option("--io-threads", s.ioThreads, "Threads for connections (default 1)")
      ->check(CLI::Range(1u, 64u));
  command->add_option("--max-queue", s.queue, "Sequences that may wait (default 512)");
  command
      ->add_option(
          "--step-ms", s.stepMs,
          "Time of a step, prompts and next tokens together, while several requests wait "
          "(default 75): smaller chunks of prompts bring it about, of 128 rows at least; 0: "
          "chunks as large as --step-tokens allows")
      ->check(CLI::Range(0u, 3'600'000u));
  CLI::Option *slack = command->add_option(
      "--replica-slack", s.replicaSlack,
      "With several replicas: a request goes where most of its beginning is cached, unless that "
      "one has more than N sequences more than another (default 4)");
  command->add_option(
      "--max-client-requests", s.clientRequests,
      "Requests in progress of one client, which is a key, or an address where there are no keys; "
      "0: any number (default)");
  command->add_option("--max-ttft-ms", s.maxTtftMs,
                      "Refuse requests whose first token would come later; 0: never (default)");
  command->add_option("--request-timeout-ms", s.timeouts.request,
                      "A request's time from arrival to its end; 0: any (default)");
  command->add_option("--drain-ms", s.timeouts.drain,
                      "Time for running requests after SIGTERM (default 30000)");
  command->add_option("--idle-timeout-ms", s.timeouts.idle,
                      "A connection's time between requests (default 75000)");
  command->add_option("--header-timeout-ms", s.timeouts.header,
                      "A header's time to arrive (default 10000)");
  command->add_option("--body-timeout-ms", s.timeouts.body,
                      "A body's time to arrive (default 60000)");
  command->add_option("--write-timeout-ms", s.timeouts.write,
                      "A reader's time to take a byte (default 30000)");
  command->add_option("--max-body", s.limits.bodyBytes, "Bytes of a request (default 4MiB)")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--max-connections", s.limits.connections,
                      "Connections at once (default 4096)");
  command
      ->add_option("--grammar-timeout-ms", s.grammarMs,
                   "Processor time for compiling one grammar (default 10000)")
      ->check(CLI::Range(1u, 3'600'000u));
  command
      ->add_option("--grammar-memory", s.grammarBytes,
                   "Memory for compiling one grammar (default 1GiB)")
      ->transform(CLI::AsSizeValue(false));
  command
      ->add_option("--grammar-cache", s.grammarCacheBytes,
                   "Memory for keeping compiled grammars (default 128MiB)")
      ->transform(CLI::AsSizeValue(false));
  command->add_flag_callback(
      "--no-grammar-preparation", [o] { o->server.prepareGrammars = false; },
      "Make the tables of constrained answers with the first of them, not at the start");
  command->add_option("--max-n", s.limits.choices, "Largest `n` (default 16)");
  command->add_flag("--no-prefix-tree", o->noPrefixTree,
                    "Compute equal beginnings of prompts each time");
  command->add_flag(
      "--measure-machine", o->measureMachine,
      "Measure memory and arithmetic for half a second first, for tenon:roofline_share");
  command->add_flag("--audit", s.audit, "Check the books of KV blocks after every step");
  addChoice<server::LogFormat>(*command, "--log", s.log,
                               {{"text", server::LogFormat::Text},
                                {"json", server::LogFormat::Json},
                                {"off", server::LogFormat::Off}},
                               "Requests on standard error: text (default), json or off");
  command->add_flag("--log-prompts", s.logPrompts, "With --log json: the requests' bodies too");
  command->footer("\nExamples:\n  tenon serve m.tenon --port 8000\n"
                  "  tenon serve m.tenon --host 0.0.0.0 --api-key-file keys.txt --log json");
  command->callback([o, slack, &action] {
    o->forReplicas = slack->count() > 0;
    if (o->server.logPrompts && o->server.log != server::LogFormat::Json)
      throw CLI::ValidationError("--log-prompts", "prompts are in JSON logs alone; add --log json");
    o->run.drains = true;
    action = [o] { return withProcesses(o->run, [&] { return run(*o); }); };
  });
}

} // namespace tenon::tool
