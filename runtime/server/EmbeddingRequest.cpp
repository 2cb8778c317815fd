//===- EmbeddingRequest.cpp - Vectors for the texts of a request ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/EmbeddingRequest.h"

#include "runtime/base/Clock.h"
#include "runtime/server/Admission.h"
#include "runtime/server/ApiErrors.h"
#include "runtime/server/Dispatcher.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/RequestLog.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/ServerOptions.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

namespace tenon::server {

void EmbeddingRequest::start(Services &services, const RequestPtr &request,
                             const ResponderPtr &responder, EmbeddingPlan plan) {
  const auto made =
      std::make_shared<EmbeddingRequest>(services, request, responder, std::move(plan));
  responder->onGone([weak = std::weak_ptr(made)] {
    if (const auto self = weak.lock())
      self->onGone();
  });
  if (services.draining.load(std::memory_order_relaxed)) {
    services.metrics.onRejected("draining");
    return made->fail(ApiError::overloaded("The server is shutting down; try again later.", 5));
  }
  if (const auto seconds =
          services.admission.retryAfter(services.dispatcher.leastLoad(), made->promptTokens)) {
    services.metrics.onRejected("predicted_ttft");
    return made->fail(ApiError::overloaded(
        fmt::format("The server is busy: the answer would come too late. Try again in {} s.",
                    *seconds),
        *seconds));
  }
  made->submitNext();
}

EmbeddingRequest::EmbeddingRequest(Services &s, RequestPtr request, ResponderPtr responder,
                                   EmbeddingPlan p)
    : services(s), request(std::move(request)), responder(std::move(responder)), plan(std::move(p)),
      vectors(plan.prompts.size()) {
  for (const auto &prompt : plan.prompts)
    promptTokens += prompt.size();
}

void EmbeddingRequest::submitNext() {
  first = end;
  end = static_cast<uint32_t>(
      std::min<size_t>(plan.prompts.size(), size_t(first) + services.options.limits.fanOut));
  job = std::make_shared<Job>();
  for (uint32_t i = first; i < end; ++i) {
    Job::Entry &entry = job->entries.emplace_back();
    entry.leader = i - first;
    entry.request.prompt = plan.prompts[i];
    entry.request.pooling = plan.pooling;
    entry.request.priority = plan.priority;
  }
  const uint32_t limit = services.options.timeouts.request;
  job->deadlineNanos = limit ? request->arrivedNanos + limit * uint64_t(1'000'000) : 0;
  job->mailbox = &responder->mailbox();
  job->receiver = shared_from_this();
  left = end - first;
  if (services.dispatcher.submit(job))
    return;
  job->receiver.reset();
  job.reset();
  const Load load = services.dispatcher.leastLoad();
  const uint32_t seconds = services.admission.retryAfterFull(load);
  services.metrics.onRejected("max_num_queued_reqs");
  fail(ApiError::overloaded(
      fmt::format("The server is busy: {} requests wait already. Try again in {} s.", load.waiting,
                  seconds),
      seconds));
}

void EmbeddingRequest::over(uint32_t prompt, const SequenceEvent *event, const char *reason) {
  SequenceRecord record;
  record.arrived = request->arrivedNanos;
  record.ended = nowNanos();
  record.promptTokens = static_cast<uint32_t>(plan.prompts[prompt].size());
  if (event) {
    record.started = event->startedNanos;
    record.firstToken = record.lastToken = event->nanos;
    record.preemptions = event->preemptions;
  }
  record.finishReason = reason;
  services.metrics.onSequenceOver(record);
}

void EmbeddingRequest::onEvent(SequenceEvent &event) {
  if (done)
    return;
  const uint32_t prompt = first + event.sequence;
  if (event.kind == SequenceEvent::Kind::Failed) {
    services.dispatcher.cancelAll(std::move(job));
    for (uint32_t i = first; i < end; ++i)
      if (vectors[i].empty())
        over(i, nullptr, event.status.code() == StatusCode::Cancelled ? "abort" : "error");
    return fail(ApiError::fromStatus(event.status));
  }
  if (event.kind != SequenceEvent::Kind::Pooled)
    return;
  vectors[prompt] = generate::toEmbedding(event.vector, plan.dimensions, plan.normalise);
  cachedTokens += event.cachedTokens;
  over(prompt, &event, "stop");
  --left;
}

void EmbeddingRequest::onBatchEnd() {
  if (done || left > 0)
    return;
  job.reset();
  if (end < plan.prompts.size())
    submitNext();
  else
    finish();
}

/// Bytes as they are in a file: the machine is little endian, as the engine's format is.
static_assert(std::endian::native == std::endian::little);

void EmbeddingRequest::finish() {
  done = true;
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < vectors.size(); ++i) {
    out += i ? "," : "";
    out += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)";
    const std::vector<float> &vector = vectors[i];
    if (plan.base64) {
      out += '"';
      appendBase64(out,
                   {reinterpret_cast<const char *>(vector.data()), vector.size() * sizeof(float)});
      out += '"';
    } else {
      for (size_t d = 0; d < vector.size(); ++d) {
        out += d ? ',' : '[';
        appendJsonNumber(out, vector[d]);
      }
      out += ']';
    }
    out += '}';
  }
  out += R"(],"model":)";
  appendJsonString(out, services.model.id);
  fmt::format_to(std::back_inserter(out),
                 R"(,"usage":{{"prompt_tokens":{0},"total_tokens":{0}}}}})", promptTokens);
  responder->respond({}, out);
  services.log.onAnswer(*request, promptTokens, 0, cachedTokens);
}

void EmbeddingRequest::onGone() {
  if (done)
    return;
  done = true;
  if (!job)
    return;
  services.dispatcher.cancelAll(std::move(job));
  for (uint32_t i = first; i < end; ++i)
    if (vectors[i].empty())
      over(i, nullptr, "abort");
}

void EmbeddingRequest::fail(const ApiError &error) {
  done = true;
  error.answer(*responder);
}

} // namespace tenon::server
