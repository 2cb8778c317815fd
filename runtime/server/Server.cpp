//===- Server.cpp - An engine behind HTTP ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Server.h"

#include "runtime/base/Clock.h"
#include "runtime/server/Admission.h"
#include "runtime/server/ApiDescription.h"
#include "runtime/server/Drain.h"
#include "runtime/server/EngineLoop.h"
#include "runtime/server/HttpListener.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/RequestLog.h"
#include "runtime/server/Router.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/Services.h"

#include <fmt/core.h>

namespace tenon::server {

namespace {

/// Tells metrics and admission of every step.
class Observers : public StepObserver {
public:
  Observers(Metrics &metrics, Admission &admission) : metrics(metrics), admission(admission) {}
  void onStep(const generate::StepTimes &times, uint64_t emitNanos) override {
    metrics.onStep(times, emitNanos);
    admission.onStep(times.promptRows, times.schedule + times.execute + times.sample);
  }

private:
  Metrics &metrics;
  Admission &admission;
};

} // namespace

struct Server::State {
  explicit State(const ServerOptions &options) : options(options) {
    for (uint32_t i = 0; i < options.ioThreads; ++i)
      threads.push_back(std::make_unique<IoThread>());
    listener.emplace(threads, connections);
  }

  const ServerOptions options;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::atomic<bool> draining{false};
  ConnectionContext connections{options.limits, options.timeouts, {}, {}, draining};
  std::optional<HttpListener> listener;
};

Server::Server(std::unique_ptr<State> s) : state(std::move(s)) {}
Server::~Server() = default;

StatusOr<std::unique_ptr<Server>> Server::open(const ServerOptions &options) {
  auto state = std::make_unique<State>(options);
  TENON_RETURN_IF_ERROR(state->listener->open(options.host, options.port));
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

uint16_t Server::port() const { return state->listener->port(); }

Status Server::run(const ServedEngine &served, executor::Executor &executor) {
  const ServerOptions &options = state->options;
  auto model = ServedModel::of(served.engine, served.tokenizer, served.stopTokens,
                               executor.capacity(), options.modelName);
  if (!model)
    return model.status();

  generate::Generator generator(executor, served.engine.plan(), options.prefixTree);
  Metrics metrics(model->id, served.engine.plan(), model->context, options.machine);
  Admission admission(executor.capacity().sequences, options.maxTtftMs);
  Observers observers(metrics, admission);
  EngineLoop loop(generator, {options.queue, options.audit, options.prefixTree}, &observers);
  RequestLog log(options.log, options.logPrompts);
  Services services{options, *model, loop, metrics, admission, log, state->draining,
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

  Drain drain(state->threads, *state->listener, services);
  state->listener->accept();
  for (const auto &thread : state->threads)
    thread->start();
  const executor::Capacity &capacity = executor.capacity();
  log.onEvent("listening",
              fmt::format("http://{}:{} serves {}; {} sequences together, {} KV blocks of {} tokens",
                          options.host, port(), model->id, capacity.sequences, capacity.kvBlocks,
                          served.engine.plan().kv.blockTokens));
  Status outcome = loop.run();
  drain.finish();
  log.onEvent("stopped", outcome ? "all requests are over" : outcome.message());
  return outcome;
}

} // namespace tenon::server
