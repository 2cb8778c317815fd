//===- GrammarStore.h - Grammars on demand, kept while there is room ------===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_GRAMMARSTORE_H
#define TENON_RUNTIME_GRAMMAR_GRAMMARSTORE_H

#include "runtime/grammar/CompileProcess.h"
#include "runtime/grammar/TokenGrammar.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace tenon::grammar {

using GrammarPtr = std::shared_ptr<const TokenGrammar>;

/// Compiles on a thread of its own, through a CompileProcess, one after the other; keeps what was
/// made and what was refused, least recently used out first.
class GrammarStore {
public:
  struct Options {
    size_t cacheBytes = size_t(128) << 20;
    uint32_t queue = 64;     ///< Constraints waiting at most.
    uint32_t refusals = 256; ///< Remembered, so that what met the bounds is not tried again.
  };
  struct Stats {
    uint64_t hits = 0, compiled = 0, refused = 0; ///< What requests met; prepare() is none.
    uint64_t compileNanos = 0; ///< Waiting for the process and reading what it made.
    uint64_t bytes = 0;        ///< Of what is kept.
  };
  using Outcome = StatusOr<GrammarPtr>;

  GrammarStore(std::unique_ptr<CompileProcess> process, const text::Tokenizer &tokenizer,
               std::vector<int32_t> stopTokens, uint32_t vocabulary, const Options &options);
  /// Those who wait are not called any more.
  ~GrammarStore();

  /// Any thread. Makes in the background what the first constraint would wait for: the vocabulary's
  /// tables, and the grammar of any JSON object, whose parts those of schemas share.
  void prepare();

  /// Any thread. What is known already; nothing if it has to be made.
  std::optional<Outcome> find(const Constraint &constraint);

  /// Any thread. `ready` is called on the store's thread and must be quick. False, and nothing
  /// taken, when too many wait.
  [[nodiscard]] bool request(Constraint constraint, std::function<void(Outcome)> ready);

  Stats stats() const;
  uint32_t pending() const {
    return unfinished.load(std::memory_order_relaxed);
  } ///< Requests not answered.

private:
  struct Key {
    Constraint constraint;
    bool operator<(const Key &other) const {
      return constraint.kind != other.constraint.kind ? constraint.kind < other.constraint.kind
                                                      : constraint.text < other.constraint.text;
    }
  };
  struct Entry {
    Outcome outcome;
    size_t bytes;
    std::list<const Key *>::iterator use;
  };
  struct Waiting {
    Constraint constraint;
    std::function<void(Outcome)> ready; ///< Empty: nobody waits (prepare()).
  };

  std::optional<Outcome> findLocked(const Constraint &constraint);
  void keep(const Constraint &constraint, const Outcome &outcome);
  Outcome make(const Constraint &constraint);
  void run();

  const std::unique_ptr<CompileProcess> process;
  const text::Tokenizer tokenizer;
  const std::vector<int32_t> stopTokens;
  const uint32_t vocabularySize;
  const Options options;
  std::shared_ptr<const Vocabulary>
      vocabulary; ///< The store's thread's; made with the first grammar.

  mutable std::mutex mutex;
  std::condition_variable something;
  std::deque<Waiting> waiting; ///< Guarded by `mutex`, as is all below.
  std::map<Key, Entry> entries;
  std::list<const Key *> grammars, refusals; ///< Most recently used first.
  Stats counts;
  bool stopping = false;
  std::atomic<uint32_t> unfinished{0};
  std::thread thread;
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_GRAMMARSTORE_H
