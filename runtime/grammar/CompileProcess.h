//===- CompileProcess.h - Grammars compiled behind a wall -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A client's schema may be made to take for ever, or all memory, and a library call cannot be
// interrupted. So a process of its own compiles, within bounds that the kernel keeps; one that
// meets them is replaced. What parts of grammars share is kept there between compiles.
//
#ifndef TENON_RUNTIME_GRAMMAR_COMPILEPROCESS_H
#define TENON_RUNTIME_GRAMMAR_COMPILEPROCESS_H

#include "runtime/grammar/Constraint.h"
#include "runtime/text/Tokenizer.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenon::grammar {

class CompileProcess {
public:
  struct Bounds {
    uint32_t milliseconds =
        10'000; ///< Of processor time for one grammar; four times that by the clock.
    size_t bytes = size_t(1) << 30;       ///< Of memory beyond what the process had at its start.
    size_t cacheBytes = size_t(64) << 20; ///< For parts that grammars share.
  };

  /// Forks: call it before other threads run. The vocabulary's tables are made with the first
  /// grammar, once: the processes that replace one another share them.
  static StatusOr<std::unique_ptr<CompileProcess>> start(const text::Tokenizer &tokenizer,
                                                         const std::vector<int32_t> &stopTokens,
                                                         uint32_t vocabulary, const Bounds &bounds);
  /// The process ends; in the middle of a compile when that is over.
  ~CompileProcess();

  /// The grammar, serialized (TokenGrammar::read()). InvalidArgument: it is wrong, or met the
  /// bounds. One thread at a time; calls `meanwhile`, then waits.
  StatusOr<std::string> compile(const Constraint &constraint,
                                const std::function<void()> &meanwhile = {});

  /// Any thread: compile() fails now, and from now on.
  void interrupt();

private:
  CompileProcess(int socket, Bounds bounds) : socket(socket), bounds(bounds) {}
  const int socket;
  const Bounds bounds;
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_COMPILEPROCESS_H
