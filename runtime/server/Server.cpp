//===- Server.cpp - An engine behind HTTP ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Server.h"

#include "runtime/base/Clock.h"
#include "runtime/grammar/GrammarStore.h"
#include "runtime/server/Admission.h"
#include "runtime/server/ApiDescription.h"
#include "runtime/server/ClientLimits.h"
#include "runtime/server/Dispatcher.h"
#include "runtime/server/Drain.h"
#include "runtime/server/EngineLoop.h"
#include "runtime/server/HttpListener.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/RequestLog.h"
#include "runtime/server/Router.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/Services.h"
#include "runtime/server/Tls.h"

#include <boost/asio/signal_set.hpp>

#include <fmt/core.h>

#include <csignal>
#include <optional>

namespace tenon::server {

namespace {

/// Tells metrics and admission of every step of a replica.
class Observers : public StepObserver {
public:
  Observers(uint32_t replica, Metrics &metrics, Admission &admission)
      : replica(replica), metrics(metrics), admission(admission) {}
  void onStep(const generate::StepTimes &times, uint64_t emitNanos) override {
    metrics.onStep(replica, times, emitNanos);
    admission.onStep(times.promptRows, times.schedule + times.execute + times.sample);
  }

private:
  const uint32_t replica;
  Metrics &metrics;
  Admission &admission;
};

/// One replica's part of the server. Its executor is elsewhere.
struct ServedReplica {
  /// `several`: others may want to know what this one has cached.
  ServedReplica(uint32_t number, bool several, executor::Executor &executor,
                const engine::Plan &plan, const EngineLoop::Options &options, Metrics &metrics,
                Admission &admission)
      : generator(executor, plan, options.prefixTree, several ? &cached : nullptr),
        observers(number, metrics, admission), loop(generator, options, &observers) {}

  kv::PrefixDirectory cached; ///< Outlives the generator's tree.
  generate::Generator generator;
  Observers observers;
  EngineLoop loop;
};

} // namespace

namespace {

/// SIGHUP: new connections get the certificate that is in the files now.
class CertificateReload {
public:
  CertificateReload(Tls &tls, boost::asio::signal_set &signals, RequestLog &log)
      : tls(tls), log(log), signals(signals) {
    wait();
  }

private:
  void wait() {
    signals.async_wait([this](boost::system::error_code error, int) {
      if (error)
        return;
      const Status status = tls.reload();
      log.onEvent(status ? "certificate" : "certificate not reloaded",
                  status ? "read again" : status.message());
      wait();
    });
  }
  Tls &tls;
  RequestLog &log;
  boost::asio::signal_set &signals;
};

} // namespace

struct Server::State {
  explicit State(const ServerOptions &options) : options(options) {
    for (uint32_t i = 0; i < options.ioThreads; ++i)
      threads.push_back(std::make_unique<IoThread>());
    listener.emplace(threads, connections);
  }

  const ServerOptions options;
  ClientLimits clients{options.clientRequests}; ///< Outlives the connections.
  std::vector<std::unique_ptr<IoThread>> threads;
  std::atomic<bool> draining{false};
  std::unique_ptr<Tls> tls;
  ConnectionContext connections{options.limits, options.timeouts, {}, {}, draining};
  std::optional<HttpListener> listener;
  std::optional<boost::asio::signal_set> ends, renewals; ///< SIGTERM and SIGINT; SIGHUP.
  std::optional<grammar::GrammarStore>
      grammars; ///< Its thread calls into the I/O threads' mailboxes.
};

Server::Server(std::unique_ptr<State> s) : state(std::move(s)) {}
Server::~Server() = default;

StatusOr<std::unique_ptr<Server>> Server::open(const ServerOptions &options,
                                               const ServedEngine &served,
                                               const std::string &certificate,
                                               const std::string &key) {
  // First, while no other thread runs: it forks.
  std::unique_ptr<grammar::CompileProcess> process;
  const uint32_t vocabulary = served.engine.plan().model.vocabulary;
  if (grammar::available() && !served.stopTokens.empty()) {
    auto started = grammar::CompileProcess::start(
        served.tokenizer, served.stopTokens, vocabulary,
        {.milliseconds = options.grammarMs, .bytes = options.grammarBytes});
    if (!started)
      return started.status();
    process = std::move(*started);
  }
  auto state = std::make_unique<State>(options);
  if (certificate.empty() != key.empty())
    return Status::invalidArgument("--tls-cert and --tls-key go together");
  if (!certificate.empty()) {
    auto tls = Tls::open(certificate, key);
    if (!tls)
      return tls.status();
    state->tls = std::move(*tls);
    state->connections.tls = state->tls.get();
  }
  if (process)
    state->grammars.emplace(
        std::move(process), served.tokenizer, served.stopTokens, vocabulary,
        grammar::GrammarStore::Options{.cacheBytes = options.grammarCacheBytes});
  TENON_RETURN_IF_ERROR(state->listener->open(options.host, options.port));
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

uint16_t Server::port() const { return state->listener->port(); }

void Server::catchSignals() {
  boost::asio::io_context &context = state->threads.front()->context;
  if (!state->ends)
    state->ends.emplace(context, SIGTERM, SIGINT);
  if (state->tls && !state->renewals)
    state->renewals.emplace(context, SIGHUP);
}

Status Server::run(const ServedEngine &served, executor::Replicas &executors) {
  const ServerOptions &options = state->options;
  const executor::Capacity &capacity = executors[0].capacity(); // Equal for all but the workers.
  const engine::Plan &plan = served.engine.plan();
  auto model = ServedModel::of(served.engine, served.tokenizer, served.stopTokens, capacity,
                               options.modelName);
  if (!model)
    return model.status();

  const uint32_t count = executors.size();
  Metrics metrics(model->id, plan, model->context, options.machine, count);
  Admission admission(capacity.sequences, options.maxTtftMs);
  std::vector<std::unique_ptr<ServedReplica>> replicas;
  std::vector<Dispatcher::Replica> fronts;
  for (uint32_t r = 0; r < count; ++r) {
    replicas.push_back(std::make_unique<ServedReplica>(
        r, count > 1, executors[r], plan,
        EngineLoop::Options{(options.queue + count - 1) / count, options.audit, options.prefixTree},
        metrics, admission));
    replicas.back()->generator.paceSteps(uint64_t(options.stepMs) * 1'000'000);
    fronts.push_back({&replicas.back()->loop, &replicas.back()->cached});
  }
  Dispatcher dispatcher(std::move(fronts), plan.kv.blockTokens, options.replicaSlack);
  RequestLog log(options.log, options.logPrompts);
  Services services{options,
                    *model,
                    dispatcher,
                    metrics,
                    admission,
                    state->clients,
                    log,
                    state->grammars ? &*state->grammars : nullptr,
                    state->draining,
                    describeApi(*model, options.limits)};
  Router router(services);
  addRoutes(router, services);
  state->connections.handler = [&](const RequestPtr &request, const ResponderPtr &responder) {
    router.handle(request, responder);
  };
  state->connections.onAnswered = [&](const HttpRequest &request, int status, uint64_t bytes) {
    metrics.onHttp(router.patternOf(request.path), knownMethod(request.method), status,
                   double(nowNanos() - request.arrivedNanos) * 1e-9);
    log.onResponse(request, status, bytes);
  };

  catchSignals();
  std::optional<CertificateReload> reload;
  if (state->tls)
    reload.emplace(*state->tls, *state->renewals, log);
  Drain drain(state->threads, *state->listener, *state->ends, services);
  state->listener->accept();
  for (const auto &thread : state->threads)
    thread->start(/*besideEngine=*/count == 1);
  log.onEvent(
      "listening",
      fmt::format("{}://{}:{} serves {}; {}{} sequences together, {} KV blocks of {} tokens",
                  state->tls ? "https" : "http", options.host, port(), model->id,
                  count > 1 ? fmt::format("{} replicas, each ", count) : std::string(),
                  capacity.sequences, capacity.kvBlocks, plan.kv.blockTokens));
  if (state->grammars && options.prepareGrammars)
    state->grammars->prepare();
  Status outcome = executors.onEach([&](uint32_t r) {
    Status status = replicas[r]->loop.run();
    if (!status)
      dispatcher.stop(); // The server ends as one.
    return status;
  });
  drain.finish();
  log.onEvent("stopped", outcome ? "all requests are over" : outcome.message());
  return outcome;
}

} // namespace tenon::server
