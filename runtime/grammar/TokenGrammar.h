//===- TokenGrammar.h - A grammar over a vocabulary -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The library behind it is known to TokenGrammar.cpp, GrammarMask, EndingParser, ShortestEnds and
// XgrammarLog alone.
//
#ifndef TENON_RUNTIME_GRAMMAR_TOKENGRAMMAR_H
#define TENON_RUNTIME_GRAMMAR_TOKENGRAMMAR_H

#include "runtime/grammar/Constraint.h"
#include "runtime/sample/Sampler.h"
#include "runtime/text/Tokenizer.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::grammar {

/// Whether this build can compile grammars.
bool available();

/// The bytes of every token, sorted for the compiler. Immutable; any thread may use it. Holds about
/// 250 bytes a token.
class Vocabulary {
public:
  /// `stopTokens`, not empty, end an answer; like control tokens they stand for no text. `size` is
  /// the number of logits, which may be more than the tokenizer has tokens. Unsupported where this
  /// build has no grammars.
  static StatusOr<std::shared_ptr<const Vocabulary>>
  of(const text::Tokenizer &tokenizer, const std::vector<int32_t> &stopTokens, uint32_t size);
  struct Tables;
  explicit Vocabulary(std::unique_ptr<Tables> tables);
  ~Vocabulary();
  const Tables &tables() const { return *held; }

private:
  std::unique_ptr<Tables> held;
};

/// A compiled grammar. Immutable; any thread may use it.
class TokenGrammar {
public:
  struct Tables;
  explicit TokenGrammar(std::unique_ptr<Tables> tables);
  ~TokenGrammar();

  /// What another process made of it with serialize(), over the same vocabulary.
  static StatusOr<std::shared_ptr<const TokenGrammar>>
  read(const std::string &serialized, const std::shared_ptr<const Vocabulary> &vocabulary);
  std::string serialize() const;

  size_t bytes() const; ///< About what it holds.

  /// Which tokens a new sequence may draw, which has at most `tokens`. `stopTokens`, not empty, may
  /// come where the grammar accepts. Where the shortest answer has room within `tokens`, the
  /// sequence's answer is whole when they have run out.
  std::shared_ptr<sample::TokenMask> newMask(const std::vector<int32_t> &stopTokens,
                                             uint32_t tokens) const;

private:
  std::unique_ptr<Tables> held;
};

/// Compiles, and keeps what grammars share (parts of schemas recur). One thread at a time.
class Compiler {
public:
  /// `cacheBytes`: what it may keep.
  Compiler(std::shared_ptr<const Vocabulary> vocabulary, size_t cacheBytes);
  ~Compiler();

  /// InvalidArgument says what in the constraint is wrong or cannot be promised. Takes unbounded
  /// time and memory for hostile input: see CompileProcess.
  StatusOr<std::shared_ptr<const TokenGrammar>> compile(const Constraint &constraint);

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_TOKENGRAMMAR_H
