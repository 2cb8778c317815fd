//===- EngineLoop.cpp - The thread that computes --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/EngineLoop.h"

#include "runtime/base/Clock.h"
#include "runtime/base/Log.h"

#include <algorithm>

namespace tenon::server {

/// An executor that fails this often in a row will not recover.
static constexpr uint32_t kFailedStepsAtMost = 3;

Load &Load::operator+=(const Load &other) {
  running += other.running;
  waiting += other.waiting;
  kvBlocks += other.kvBlocks;
  kvFree += other.kvFree;
  kvCached += other.kvCached;
  kvSlots.held += other.kvSlots.held;
  kvSlots.filled += other.kvSlots.filled;
  queuedPromptTokens += other.queuedPromptTokens;
  preemptions += other.preemptions;
  prefixHits += other.prefixHits;
  prefixQueries += other.prefixQueries;
  accepted += other.accepted;
  return *this;
}

EngineLoop::EngineLoop(generate::Generator &g, const Options &o, StepObserver *observer)
    : generator(g), options(o), observer(observer), promptSampler(g.vocabularySize()) {
  publish();
}

EngineLoop::~EngineLoop() = default;

bool EngineLoop::submit(std::shared_ptr<Job> job) {
  const auto count = static_cast<uint32_t>(job->entries.size());
  {
    const std::lock_guard lock(mutex);
    const uint32_t all = taken.load(std::memory_order_relaxed);
    const uint32_t pending = all - std::min(all, current.running);
    if (stopping || (pending > 0 && pending + count > options.queue))
      return false;
    taken.fetch_add(count, std::memory_order_relaxed);
    current.accepted += count;
    job->progress.resize(count);
    job->left = count;
    inbox.push_back({Command::Kind::Submit, std::move(job)});
  }
  something.notify_one();
  return true;
}

void EngineLoop::cancel(std::shared_ptr<Job> job, uint32_t entry) {
  {
    const std::lock_guard lock(mutex);
    inbox.push_back({Command::Kind::Cancel, std::move(job), entry});
  }
  something.notify_one();
}

void EngineLoop::cancelAll(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex);
    inbox.push_back({Command::Kind::CancelAll, std::move(job)});
  }
  something.notify_one();
}

void EngineLoop::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  something.notify_one();
}

Load EngineLoop::load() const {
  const std::lock_guard lock(mutex);
  return current;
}

/// Returns false when the loop is to stop.
bool EngineLoop::takeCommands() {
  bool goOn;
  {
    const std::lock_guard lock(mutex);
    commands.swap(inbox);
    goOn = !stopping;
  }
  for (Command &command : commands)
    handle(command);
  commands.clear();
  return goOn;
}

void EngineLoop::handle(Command &command) {
  const std::shared_ptr<Job> &job = command.job;
  switch (command.kind) {
  case Command::Kind::Submit:
    jobs.push_back(job);
    for (uint32_t e = 0; e < job->entries.size(); ++e)
      if (job->entries[e].leader == e || !options.prefixTree)
        start(job, e);
    return;
  case Command::Kind::Cancel:
    end(job, command.entry);
    return;
  case Command::Kind::CancelAll:
    for (uint32_t e = 0; e < job->entries.size(); ++e)
      end(job, e);
    return;
  }
}

void EngineLoop::start(const std::shared_ptr<Job> &job, uint32_t entry) {
  if (job->progress[entry].state != Job::State::Held)
    return;
  auto number = generator.add(std::move(job->entries[entry].request));
  if (!number)
    return fail(job, entry, number.status());
  job->progress[entry] = {Job::State::Queued, *number};
  owners.emplace(*number, Owner{job, entry});
}

/// Lets those start that waited for `leader` to compute their prompt.
void EngineLoop::release(const std::shared_ptr<Job> &job, uint32_t leader) {
  for (uint32_t e = 0; e < job->entries.size(); ++e)
    if (e != leader && job->entries[e].leader == leader)
      start(job, e);
}

/// Takes an entry out of the generator, where it still is, and closes it.
void EngineLoop::end(const std::shared_ptr<Job> &job, uint32_t entry) {
  if (entry >= job->progress.size())
    return; // It was never taken in.
  const Job::Progress &p = job->progress[entry];
  if (p.state == Job::State::Over)
    return;
  if (p.state == Job::State::Queued)
    generator.cancel(p.number);
  close(job, entry);
}

/// Closes the books of an entry that the generator has ended, or never had.
void EngineLoop::close(const std::shared_ptr<Job> &job, uint32_t entry) {
  Job::Progress &p = job->progress[entry];
  if (p.state == Job::State::Queued)
    owners.erase(p.number);
  p.state = Job::State::Over;
  taken.fetch_sub(1, std::memory_order_relaxed);
  if (--job->left == 0)
    std::erase(jobs, job);
  else
    release(job, entry);
}

void EngineLoop::fail(const std::shared_ptr<Job> &job, uint32_t entry, Status status) {
  if (job->progress[entry].state == Job::State::Over)
    return;
  SequenceEvent event;
  event.kind = SequenceEvent::Kind::Failed;
  event.sequence = entry;
  event.nanos = nowNanos();
  event.status = std::move(status);
  stage(*job, std::move(event));
  end(std::shared_ptr<Job>(job), entry); // `job` may be the list's own pointer.
}

void EngineLoop::failEverything(const Status &status) {
  while (!jobs.empty()) {
    const std::shared_ptr<Job> job = jobs.back();
    // Held entries first: ending a leader would start them.
    for (auto state : {Job::State::Held, Job::State::Queued})
      for (uint32_t e = 0; e < job->entries.size(); ++e)
        if (job->progress[e].state == state)
          fail(job, e, status);
  }
}

void EngineLoop::expire(uint64_t now) {
  for (size_t i = jobs.size(); i-- > 0;) {
    const std::shared_ptr<Job> job = jobs[i];
    if (job->deadlineNanos == 0 || now < job->deadlineNanos)
      continue;
    const Status late(StatusCode::DeadlineExceeded, "the request took longer than its time limit");
    for (auto state : {Job::State::Held, Job::State::Queued})
      for (uint32_t e = 0; e < job->entries.size(); ++e)
        if (job->progress[e].state == state)
          fail(job, e, late);
    i = std::min(i, jobs.size());
  }
}

void EngineLoop::stage(Job &job, SequenceEvent &&event) {
  auto at = std::find_if(outgoing.begin(), outgoing.end(),
                         [&](const Outgoing &o) { return o.mailbox == job.mailbox; });
  if (at == outgoing.end())
    at = outgoing.insert(at, {job.mailbox, {}});
  at->events.push_back({job.receiver, std::move(event)});
}

void EngineLoop::flush() {
  for (Outgoing &o : outgoing)
    o.mailbox->deliver(o.events);
}

void EngineLoop::onToken(const generate::TokenEvent &e) {
  const auto at = owners.find(e.request);
  if (at == owners.end())
    return;
  const Owner owner = at->second;
  if (e.finish == generate::FinishReason::Cancelled)
    return fail(owner.job, owner.entry,
                Status::invalidArgument(
                    "the constraint became too complex while the answer grew; simplify it"));
  SequenceEvent event;
  event.sequence = owner.entry;
  event.finish = e.finish;
  event.token = e.token;
  event.logprob = e.logprob;
  event.cachedTokens = e.cachedTokens;
  event.preemptions = e.preemptions;
  event.startedNanos = e.startedNanos;
  event.nanos = nowNanos();
  event.alternatives.assign(e.alternatives.begin(), e.alternatives.end());
  stage(*owner.job, std::move(event));
  if (e.finish != generate::FinishReason::None)
    close(owner.job, owner.entry);
  else
    release(owner.job, owner.entry);
}

void EngineLoop::onPromptLogits(uint64_t request, uint32_t position,
                                std::span<const float> logits) {
  const auto at = owners.find(request);
  if (at == owners.end())
    return;
  const Owner owner = at->second;
  const generate::PromptView prompt = generator.promptOf(request);
  SequenceEvent event;
  event.sequence = owner.entry;
  event.nanos = nowNanos();
  if (position + 1 < prompt.tokens.size()) {
    event.kind = SequenceEvent::Kind::PromptToken;
    event.position = position + 1;
    event.token = prompt.tokens[position + 1];
    const float mine = logits[static_cast<size_t>(event.token)];
    event.rank = 1 + static_cast<uint32_t>(std::count_if(logits.begin(), logits.end(),
                                                         [&](float l) { return l > mine; }));
    event.logprob = sample::Sampler::logprob(logits, event.token);
    if (prompt.topLogprobs)
      promptSampler.topLogprobs(logits, prompt.topLogprobs, event.alternatives);
    stage(*owner.job, std::move(event));
  } else if (prompt.scoreOnly) {
    event.kind = SequenceEvent::Kind::Scored;
    stage(*owner.job, std::move(event));
    close(owner.job, owner.entry); // The generator ends it after this call.
  }
}

void EngineLoop::onPooled(const generate::PooledEvent &e) {
  const auto at = owners.find(e.request);
  if (at == owners.end())
    return;
  const Owner owner = at->second;
  SequenceEvent event;
  event.kind = SequenceEvent::Kind::Pooled;
  event.sequence = owner.entry;
  event.nanos = nowNanos();
  event.startedNanos = e.startedNanos;
  event.cachedTokens = e.cachedTokens;
  event.preemptions = e.preemptions;
  event.vector.assign(e.vector.begin(), e.vector.end());
  stage(*owner.job, std::move(event));
  close(owner.job, owner.entry); // The generator ends it after this call.
}

void EngineLoop::publish() {
  const schedule::Scheduler &state = generator.state();
  const schedule::Scheduler::Slots slots = state.slots();
  const std::lock_guard lock(mutex);
  current.running = state.runningCount();
  const uint32_t all = taken.load(std::memory_order_relaxed);
  current.waiting = all - std::min(all, current.running);
  current.kvBlocks = state.pool().size();
  current.kvFree = state.pool().freeBlocks();
  current.kvCached = state.evictableBlocks();
  current.kvSlots = slots;
  current.queuedPromptTokens = state.waitingTokens();
  current.preemptions = state.preemptions();
  current.prefixHits = state.cachedTokens();
  current.prefixQueries = state.lookedUpTokens();
}

Status EngineLoop::run() {
  Status outcome;
  while (takeCommands()) {
    expire(nowNanos());
    if (generator.hasWork()) {
      if (Status status = generator.step(*this); !status) {
        // Nothing has advanced. Those who wait for this step are told, the server goes on.
        log::error("step failed: " + status.message());
        failEverything(Status::internal("the model could not compute this request"));
        if (++failedSteps >= kFailedStepsAtMost)
          outcome = status;
      } else {
        failedSteps = 0;
      }
      if (options.audit && outcome)
        outcome = generator.state().checkIntegrity();
      const uint64_t emitting = nowNanos();
      flush();
      publish();
      if (observer)
        observer->onStep(generator.lastStep(), nowNanos() - emitting);
      if (!outcome)
        break;
      continue;
    }
    flush();
    publish();
    std::unique_lock lock(mutex);
    something.wait(lock, [&] { return stopping || !inbox.empty(); });
  }
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  takeCommands();
  failEverything(Status(StatusCode::Cancelled, "the server is shutting down"));
  flush();
  publish();
  return outcome;
}

} // namespace tenon::server
