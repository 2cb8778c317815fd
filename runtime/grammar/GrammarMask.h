//===- GrammarMask.h - Tokens of an answer under a grammar ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_GRAMMARMASK_H
#define TENON_RUNTIME_GRAMMAR_GRAMMARMASK_H

#include "runtime/grammar/EndingParser.h"
#include "runtime/sample/Sampler.h"

#include <xgrammar/xgrammar.h>

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tenon::grammar {

/// Lets an answer follow a grammar, and end before its tokens run out. Invariant, unless not even
/// the shortest answer has room: after every token the answer is whole, or what is left suffices
/// for one ending and a token that stops. A token that would break this is refused after it was
/// drawn, so that nothing else about the model's choice changes.
class GrammarMask : public sample::TokenMask {
public:
  /// `tokens`: how many the answer may have, with the one that stops it.
  GrammarMask(const xgrammar::CompiledGrammar &grammar, std::shared_ptr<const ShortestEnds> ends,
              const std::vector<int32_t> &stopTokens, uint32_t tokens);

  std::span<const uint32_t> next() override;
  bool admits(int32_t token) override;
  void accept(int32_t token) override;
  bool failed() const override { return broken; }

private:
  template <typename Body> void timed(Body &&body);
  void fill();
  void allow(int32_t token) { allowed[size_t(token) / 32] |= int32_t(1u << token % 32); }
  void allowOnlyTheEnding();
  bool isStop(int32_t token) const;
  std::string_view textOf(int32_t token) const;
  /// The tokens of the shortest ending from where the parser is; nothing if the vocabulary cannot
  /// spell it, or with more than `most`. Empty where the answer is whole.
  std::optional<std::vector<int32_t>> endingWithin(uint32_t most);
  std::optional<std::vector<int32_t>> spell(std::string_view text, uint32_t most) const;
  bool keepsAnEnding(int32_t token);

  xgrammar::GrammarMatcher matcher;
  xgrammar::TokenizerInfo info;
  const std::vector<int32_t> stopTokens;
  const int size;
  std::vector<int32_t> allowed; ///< One bit a token.
  int64_t shape;
  uint32_t left; ///< Tokens that may still be drawn.
  bool broken = false;

  std::unique_ptr<EndingParser> parser; ///< Null where the answer cannot be kept within its tokens.
  /// The tokens before the stop token that make the answer whole, the next one last; nothing: to be
  /// looked for.
  std::optional<std::vector<int32_t>> ending;
  size_t ahead = 0;      ///< Bytes of a token that was admitted, and not yet accepted.
  uint32_t refusals = 0; ///< Since the last token.
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_GRAMMARMASK_H
