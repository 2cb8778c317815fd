//===- GrammarStore.cpp - Grammars on demand, kept while there is room ----===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/GrammarStore.h"

#include "runtime/base/Clock.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

namespace tenon::grammar {

GrammarStore::GrammarStore(std::unique_ptr<CompileProcess> p, const text::Tokenizer &tokenizer,
                           std::vector<int32_t> stopTokens, uint32_t vocabulary,
                           const Options &options)
    : process(std::move(p)), tokenizer(tokenizer), stopTokens(std::move(stopTokens)),
      vocabularySize(vocabulary), options(options) {
  // The server's signals are for its own threads.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

GrammarStore::~GrammarStore() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  something.notify_one();
  process->interrupt();
  thread.join();
}

void GrammarStore::prepare() {
  {
    const std::lock_guard lock(mutex);
    waiting.push_back({{Constraint::Kind::JsonObject, {}}, {}});
  }
  something.notify_one();
}

std::optional<GrammarStore::Outcome> GrammarStore::find(const Constraint &constraint) {
  const std::lock_guard lock(mutex);
  auto found = findLocked(constraint);
  counts.hits += found.has_value();
  return found;
}

std::optional<GrammarStore::Outcome> GrammarStore::findLocked(const Constraint &constraint) {
  const auto at = entries.find({constraint});
  if (at == entries.end())
    return std::nullopt;
  std::list<const Key *> &order = at->second.outcome ? grammars : refusals;
  order.splice(order.begin(), order, at->second.use);
  return at->second.outcome;
}

bool GrammarStore::request(Constraint constraint, std::function<void(Outcome)> ready) {
  {
    const std::lock_guard lock(mutex);
    if (waiting.size() >= options.queue || stopping)
      return false;
    unfinished.fetch_add(1, std::memory_order_relaxed);
    waiting.push_back({std::move(constraint), std::move(ready)});
  }
  something.notify_one();
  return true;
}

GrammarStore::Stats GrammarStore::stats() const {
  const std::lock_guard lock(mutex);
  return counts;
}

/// Called with the lock held.
void GrammarStore::keep(const Constraint &constraint, const Outcome &outcome) {
  const size_t bytes = constraint.text.size() + sizeof(Entry) + (outcome ? (*outcome)->bytes() : 0);
  const auto [at, fresh] = entries.emplace(Key{constraint}, Entry{outcome, bytes, {}});
  if (!fresh)
    return;
  std::list<const Key *> &order = outcome ? grammars : refusals;
  order.push_front(&at->first);
  at->second.use = order.begin();
  counts.bytes += bytes;
  // What is in use lives on with its requests.
  const auto dropLast = [&](std::list<const Key *> &from) {
    const auto last = entries.find(*from.back());
    counts.bytes -= last->second.bytes;
    from.pop_back();
    entries.erase(last);
  };
  while (refusals.size() > options.refusals)
    dropLast(refusals);
  while (counts.bytes > options.cacheBytes && !grammars.empty())
    dropLast(grammars);
}

GrammarStore::Outcome GrammarStore::make(const Constraint &constraint) {
  // The first time, both processes make their tables together.
  Status status;
  auto serialized = process->compile(constraint, [&] {
    if (vocabulary)
      return;
    auto made = Vocabulary::of(tokenizer, stopTokens, vocabularySize);
    if (made)
      vocabulary = std::move(*made);
    status = made.status();
  });
  TENON_RETURN_IF_ERROR(status);
  if (!serialized)
    return serialized.status();
  return TokenGrammar::read(*serialized, vocabulary);
}

void GrammarStore::run() {
  ::setpriority(PRIO_PROCESS, 0, 5); // Of this thread alone: steps go first.
  std::unique_lock lock(mutex);
  while (true) {
    something.wait(lock, [&] { return stopping || !waiting.empty(); });
    if (stopping)
      return;
    Waiting next = std::move(waiting.front());
    waiting.pop_front();
    std::optional<Outcome> outcome = findLocked(next.constraint); // Somebody else may have asked.
    if (!outcome) {
      lock.unlock();
      const uint64_t began = nowNanos();
      outcome = make(next.constraint);
      const uint64_t took = nowNanos() - began;
      lock.lock();
      counts.compileNanos += took;
      if (next.ready)
        ++(*outcome ? counts.compiled : counts.refused);
      const StatusCode code = outcome->status().code();
      if (*outcome || code == StatusCode::InvalidArgument || code == StatusCode::ResourceExhausted)
        keep(next.constraint, *outcome);
    }
    lock.unlock();
    if (next.ready) {
      next.ready(std::move(*outcome));
      unfinished.fetch_sub(1, std::memory_order_relaxed);
    }
    next = {};
    lock.lock();
  }
}

} // namespace tenon::grammar
