//===- EndingParser.h - How an answer could end from here -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_ENDINGPARSER_H
#define TENON_RUNTIME_GRAMMAR_ENDINGPARSER_H

#include "runtime/grammar/ShortestEnds.h"

#include <cpp/earley_parser.h>

#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tenon::grammar {

/// Reads an answer as far as it is written, and knows the shortest text that makes it whole: the
/// library's parser, whose chart says of every rule that has begun where it may go on when it is
/// over. One thread at a time.
class EndingParser : private xgrammar::EarleyParser {
public:
  EndingParser(const xgrammar::Grammar &grammar, std::shared_ptr<const ShortestEnds> ends);

  /// The answer goes on with `text`. False, and nothing read, where the grammar has no such answer.
  bool read(std::string_view text);
  /// Takes back the last `bytes` bytes that were read.
  void unread(size_t bytes);

  /// The least number of bytes that make the answer whole, 0 if it is; ShortestEnds::kNever if
  /// bytes alone do not.
  uint32_t leastBytes();
  /// So many bytes that do. Not where it is kNever.
  std::string ending();

private:
  /// A rule that has begun: when it is over, one of the places that asked for it goes on.
  struct Begun {
    int32_t rule, start; ///< `start`: row of the chart.
    uint32_t least;      ///< From the end of the answer so far to the end of this rule.
    // What lies between, spelled backwards: the rest of this rule from `state` on, after `times`
    // texts of `repeated`; before that all of `inner`.
    int32_t state, repeated;
    uint32_t times;
    int32_t inner; ///< An index; -1: `state` is where the answer is now.
  };
  int32_t search(); ///< Index of what ends with the answer; -1 if nothing does.
  void reach(const Begun &begun);

  const std::shared_ptr<const ShortestEnds> ends;
  std::vector<Begun> begun;
  std::unordered_map<uint64_t, uint32_t> leastOf; ///< By rule and start.
  using Nearest = std::pair<uint32_t, int32_t>;   ///< Bytes, index.
  std::priority_queue<Nearest, std::vector<Nearest>, std::greater<>> queue;
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_ENDINGPARSER_H
