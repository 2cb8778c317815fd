//===- BpeMerge.h - Merging the symbols of a word ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Byte-pair encoding of one word: of all adjacent pairs that merge, the one of the best priority
// (then the leftmost) is merged, until none is left (Sennrich et al. 2016, section 3.2). A heap of
// candidate pairs makes it O(n log n).
//
#ifndef TENON_RUNTIME_TEXT_BPEMERGE_H
#define TENON_RUNTIME_TEXT_BPEMERGE_H

#include "runtime/text/TokenizerTables.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tenon::text {

/// Encodes words; keeps its scratch memory between them. One per encode() call.
class BpeMerger {
public:
  explicit BpeMerger(const TokenizerTables &t) : tables(t) {}

  /// Byte-level BPE: symbols are bytes, merges are a stored list of pairs.
  void encodeBytes(std::string_view word, std::vector<int32_t> &ids);

  /// SentencePiece BPE: symbols are code points (bytes where a code point is no piece), a pair
  /// merges when its joined text is a piece. `word` is valid UTF-8, spaces already U+2581.
  void encodePieces(std::string_view word, std::vector<int32_t> &ids);

private:
  /// A symbol covers word[begin, end). Merged-away symbols have id kGone.
  struct Symbol {
    int32_t id;
    uint32_t begin, end;
    int32_t previous, next; // -1: none
  };
  /// The lower, the sooner.
  struct Priority {
    uint64_t rank, tie;
    friend auto operator<=>(const Priority &, const Priority &) = default;
  };
  struct Candidate {
    Priority priority;
    int32_t left; // index of the left symbol
    int32_t merged;
  };
  struct Merge {
    Priority priority;
    int32_t merged; // -1: the pair does not merge
  };
  static constexpr int32_t kGone = -1;

  Merge mergeOf(const Symbol &left, const Symbol &right) const;
  void pushCandidate(int32_t left);
  void pushSymbol(int32_t id, size_t begin, size_t end);
  void mergeAll();
  void mergeFew();
  void emit(std::vector<int32_t> &ids) const;

  const TokenizerTables &tables;
  std::string_view word;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<Merge> few;
};

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_BPEMERGE_H
