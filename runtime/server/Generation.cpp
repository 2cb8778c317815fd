//===- Generation.cpp - From a read request to its answer -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Generation.h"

#include "runtime/base/Clock.h"
#include "runtime/server/Admission.h"
#include "runtime/server/Dispatcher.h"
#include "runtime/server/Metrics.h"
#include "runtime/server/RequestLog.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::server {

/// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
static uint64_t mixSeed(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

void Generation::start(Services &services, const RequestPtr &request, const ResponderPtr &responder,
                       GenerationPlan plan) {
  const auto generation =
      std::make_shared<Generation>(services, request, responder, std::move(plan));
  if (!generation->checkLengths())
    return;
  // The client may leave while a grammar is compiled.
  responder->onGone([weak = std::weak_ptr(generation)] {
    if (const auto self = weak.lock())
      self->onGone();
  });
  if (generation->plan.fields.constraint)
    generation->findGrammar();
  else
    generation->submit();
}

void Generation::findGrammar() {
  const grammar::Constraint &constraint = *plan.fields.constraint;
  if (!services.grammars)
    return failWith(ApiError::invalid(
        plan.fields.constraintField, "unsupported_parameter",
        grammar::available()
            ? "The model names no token that ends an answer, so this server cannot constrain one."
            : "This server was built without constrained output."));
  if (auto known = services.grammars->find(constraint))
    return takeGrammar(std::move(*known));
  const bool taken = services.grammars->request(
      constraint,
      [self = shared_from_this(), &mailbox = responder->mailbox()](auto outcome) mutable {
        // Moved, not copied: the last owner of a request must be its own thread.
        mailbox.post([self = std::move(self), outcome = std::move(outcome)]() mutable {
          self->takeGrammar(std::move(outcome));
        });
      });
  if (!taken) {
    services.metrics.onRejected("grammars");
    failWith(ApiError::overloaded("Too many grammars wait to be compiled; try again later.", 5));
  }
}

void Generation::takeGrammar(StatusOr<grammar::GrammarPtr> found) {
  if (done)
    return;
  if (found) {
    grammar = std::move(*found);
    return submit();
  }
  ApiError error = ApiError::fromStatus(found.status());
  if (error.status == 400) {
    error.param = plan.fields.constraintField;
    error.code = "invalid_value";
    error.message =
        fmt::format("Invalid '{}': {}.", plan.fields.constraintField, found.status().message());
  }
  failWith(error);
}

Generation::Generation(Services &s, RequestPtr request, ResponderPtr responder, GenerationPlan p)
    : services(s), request(std::move(request)), responder(std::move(responder)),
      plan(std::move(p)) {}

bool Generation::checkLengths() {
  GenerationFields &f = plan.fields;
  const ServedModel &model = services.model;
  if (plan.prompts.size() * f.n > services.options.limits.fanOut) {
    failWith(ApiError::invalid(
        "n", "invalid_value",
        fmt::format("The request asks for {} answers ({} prompts, {} choices each); at most {} are "
                    "possible. Send several requests.",
                    plan.prompts.size() * f.n, plan.prompts.size(), f.n,
                    services.options.limits.fanOut)));
    return false;
  }
  uint32_t room = UINT32_MAX;
  for (const auto &prompt : plan.prompts) {
    const uint32_t wanted = plan.scoreOnly ? 0 : std::max(1u, f.maxNewTokens.value_or(1));
    const uint32_t left = model.room(prompt.size());
    if (prompt.empty()) {
      failWith(ApiError::invalid(plan.promptField, "invalid_value",
                                 "The prompt has no tokens; it must have at least one."));
      return false;
    }
    if (left < wanted || (plan.scoreOnly && prompt.size() > model.context)) {
      const uint64_t most = std::min<uint64_t>(model.context, model.kvTokens);
      failWith(ApiError::invalid(
          plan.promptField, "context_length_exceeded",
          fmt::format("This model's maximum context length is {} tokens. However, you requested {} "
                      "tokens ({} in the prompt, {} in the completion). Please reduce the length "
                      "of the prompt or completion.",
                      most, prompt.size() + wanted, prompt.size(), wanted)));
      return false;
    }
    room = std::min(room, left);
  }
  if (!f.maxNewTokens)
    f.maxNewTokens = room;
  if (f.minNewTokens > *f.maxNewTokens && !plan.scoreOnly) {
    failWith(ApiError::invalid("min_tokens", "invalid_value",
                               fmt::format("'min_tokens' is {} and the answer has at most {} "
                                           "tokens.",
                                           f.minNewTokens, *f.maxNewTokens)));
    return false;
  }
  return true;
}

std::shared_ptr<Job> Generation::makeJob() const {
  const GenerationFields &f = plan.fields;
  auto made = std::make_shared<Job>();
  made->entries.resize(plan.prompts.size() * f.n);
  for (uint32_t i = 0; i < made->entries.size(); ++i) {
    Job::Entry &entry = made->entries[i];
    const uint32_t choice = i % f.n;
    entry.leader = i - choice;
    generate::Request &r = entry.request;
    r.prompt = plan.prompts[i / f.n];
    r.sampling = f.sampling;
    if (choice) // The first choice is what the seed alone would give.
      r.sampling.seed = mixSeed(f.sampling.seed + choice);
    if (f.promptLogprobs)
      r.sampling.topLogprobs = std::max(r.sampling.topLogprobs, *f.promptLogprobs);
    r.maxNewTokens = *f.maxNewTokens;
    // A constrained answer ends where its form does, and nowhere else.
    r.minNewTokens = grammar ? 0 : f.minNewTokens;
    r.priority = f.priority;
    if (!f.ignoreEos || grammar)
      r.stopTokens = services.model.stopTokens;
    r.stopTokens.insert(r.stopTokens.end(), f.stopTokenIds.begin(), f.stopTokenIds.end());
    if (grammar)
      r.mask = grammar->newMask(r.stopTokens, r.maxNewTokens);
    // One choice is enough to know the prompt's; the others take it from the prefix tree.
    r.promptLogits = f.promptLogprobs.has_value() && choice == 0;
    r.scoreOnly = plan.scoreOnly;
  }
  const uint32_t limit = services.options.timeouts.request;
  made->deadlineNanos = limit ? request->arrivedNanos + limit * uint64_t(1'000'000) : 0;
  made->mailbox = &responder->mailbox();
  return made;
}

void Generation::submit() {
  const GenerationFields &f = plan.fields;
  uint64_t promptTokens = 0;
  for (const auto &prompt : plan.prompts)
    promptTokens += prompt.size();
  const Load load = services.dispatcher.leastLoad();
  if (services.draining.load(std::memory_order_relaxed)) {
    services.metrics.onRejected("draining");
    return failWith(ApiError::overloaded("The server is shutting down; try again later.", 5));
  }
  if (const auto seconds = services.admission.retryAfter(load, promptTokens)) {
    services.metrics.onRejected("predicted_ttft");
    return failWith(ApiError::overloaded(
        fmt::format("The server is busy: the first token would come too late. Try again in {} s.",
                    *seconds),
        *seconds));
  }

  Choice::Options options{f.stop, f.minNewTokens, f.skipSpecial, f.sampling.logprobs};
  choices.reserve(plan.prompts.size() * f.n);
  for (size_t i = 0; i < plan.prompts.size() * f.n; ++i)
    choices.emplace_back(services.model.tokenizer, options);
  times.resize(choices.size());
  left = static_cast<uint32_t>(choices.size());
  usage.promptTokens = promptTokens;
  job = makeJob();
  job->receiver = shared_from_this();
  if (!services.dispatcher.submit(job)) {
    job->receiver.reset();
    job.reset();
    const uint32_t seconds = services.admission.retryAfterFull(load);
    services.metrics.onRejected("max_num_queued_reqs");
    return failWith(ApiError::overloaded(
        fmt::format("The server is busy: {} requests wait already. Try again in {} s.",
                    load.waiting, seconds),
        seconds));
  }
  services.metrics.onRequest(f.n, *f.maxNewTokens);
}

void Generation::over(uint32_t sequence, const char *reason) {
  Times &t = times[sequence];
  if (t.over)
    return;
  t.over = true;
  --left;
  SequenceRecord record;
  record.arrived = request->arrivedNanos;
  record.started = t.started;
  record.firstToken = t.first;
  record.lastToken = t.last;
  record.ended = nowNanos();
  record.promptTokens = static_cast<uint32_t>(plan.prompts[sequence / plan.fields.n].size());
  record.newTokens = choices[sequence].tokens();
  record.maxNewTokens = *plan.fields.maxNewTokens;
  record.preemptions = t.preemptions;
  record.finishReason = reason;
  services.metrics.onSequenceOver(record);
  if (t.last > t.started)
    services.admission.onSequenceOver(t.last - t.started);
}

void Generation::onEvent(SequenceEvent &event) {
  if (done)
    return;
  Choice &choice = choices[event.sequence];
  Times &t = times[event.sequence];
  switch (event.kind) {
  case SequenceEvent::Kind::PromptToken: {
    choice.promptRanks.push_back(event.rank);
    choice.prompt.push_back({event.token, event.logprob, 0, std::move(event.alternatives)});
    return;
  }
  case SequenceEvent::Kind::Failed: {
    done = true;
    services.dispatcher.cancelAll(std::move(job));
    for (uint32_t i = 0; i < choices.size(); ++i)
      over(i, event.status.code() == StatusCode::Cancelled ? "abort" : "error");
    const ApiError error = ApiError::fromStatus(event.status);
    if (streaming) {
      plan.format->streamError(out, error.body());
      responder->write(out);
      responder->endStream();
    } else {
      failWith(error);
    }
    return;
  }
  case SequenceEvent::Kind::Scored:
  case SequenceEvent::Kind::Pooled:
    over(event.sequence, "length");
    return;
  case SequenceEvent::Kind::Token:
    break;
  }
  if (choice.end() != Choice::End::None)
    return;
  if (t.first == 0) {
    t.first = event.nanos;
    t.started = event.startedNanos;
    services.metrics.onFirstToken(double(event.nanos - request->arrivedNanos) * 1e-9);
    usage.cachedTokens += event.sequence % plan.fields.n == 0 ? event.cachedTokens : 0;
  } else {
    services.metrics.onNextToken(double(event.nanos - t.last) * 1e-9);
  }
  t.last = event.nanos;
  t.preemptions = event.preemptions;
  if (choice.take(event))
    services.dispatcher.cancel(job, event.sequence);
  if (choice.end() != Choice::End::None) {
    usage.completionTokens += choice.tokens();
    over(event.sequence, choice.endName());
  }
}

void Generation::onBatchEnd() {
  if (done)
    return;
  if (plan.fields.stream) {
    if (!streaming) {
      streaming = true;
      HttpHead head;
      head.contentType = "text/event-stream; charset=utf-8";
      head.headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}};
      responder->beginStream(head);
      plan.format->streamBegin(out);
    }
    for (uint32_t i = 0; i < choices.size(); ++i)
      if (choices[i].hasNews() || (choices[i].end() != Choice::End::None && !choices[i].closed))
        plan.format->streamNews(out, i, choices[i]);
    if (left == 0)
      plan.format->streamEnd(out, choices, usage);
    if (!out.empty())
      responder->write(out);
    out.clear();
  }
  if (left == 0)
    finish();
}

void Generation::finish() {
  done = true;
  job.reset();
  if (streaming)
    responder->endStream();
  else
    responder->respond({}, plan.format->whole(choices, usage));
  services.log.onAnswer(*request, usage.promptTokens, usage.completionTokens, usage.cachedTokens);
}

void Generation::onGone() {
  if (done)
    return;
  done = true;
  if (!job)
    return; // A grammar was being compiled.
  services.dispatcher.cancelAll(std::move(job));
  for (uint32_t i = 0; i < choices.size(); ++i)
    over(i, "abort");
}

void Generation::failWith(const ApiError &error) {
  done = true;
  error.answer(*responder);
}

} // namespace tenon::server
