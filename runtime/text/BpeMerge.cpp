//===- BpeMerge.cpp - Merging the symbols of a word -----------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/BpeMerge.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

namespace tenon::text {

/// Below this a scan over all pairs beats the heap.
static constexpr size_t kFewSymbols = 24;

BpeMerger::Merge BpeMerger::mergeOf(const Symbol &left, const Symbol &right) const {
  if (tables.algorithm == fb::text::Algorithm_ByteLevelBpe) {
    const fb::text::MergeSlot *slot = tables.findMerge(left.id, right.id);
    return slot ? Merge{{slot->rank(), 0}, slot->merged()} : Merge{{}, -1};
  }
  // What stands for a character that is no piece never merges.
  const auto isPiece = [&](const Symbol &symbol) {
    return tables.kinds[symbol.id] != fb::text::TokenKind_Byte && symbol.id != tables.unknown;
  };
  if (!isPiece(left) || !isPiece(right))
    return {{}, -1};
  const int32_t id = tables.findPiece(word.substr(left.begin, right.end - left.begin));
  // A control token is never made of ordinary text.
  if (id < 0 || tables.isControl(id))
    return {{}, -1};
  // Of splits of equally ranked pieces, the longer left part goes first, as when merges are
  // recovered from a vocabulary by length. Lengths in bytes order as lengths in characters do: for
  // one piece a longer left part is longer in both.
  return {{tables.ranks[id], uint64_t(~uint32_t(left.end - left.begin)) << 32 | uint32_t(id)}, id};
}

void BpeMerger::pushSymbol(int32_t id, size_t begin, size_t end) {
  const int32_t index = int32_t(symbols.size());
  if (index > 0)
    symbols.back().next = index;
  symbols.push_back({id, uint32_t(begin), uint32_t(end), index - 1, -1});
}

void BpeMerger::pushCandidate(int32_t left) {
  if (left < 0 || symbols[left].next < 0)
    return;
  const Merge merge = mergeOf(symbols[left], symbols[symbols[left].next]);
  if (merge.merged >= 0)
    heap.push_back({merge.priority, left, merge.merged});
}

void BpeMerger::mergeAll() {
  const auto later = [](const Candidate &a, const Candidate &b) {
    return a.priority != b.priority ? a.priority > b.priority : a.left > b.left;
  };
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    pushCandidate(int32_t(i));
  std::make_heap(heap.begin(), heap.end(), later);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[best.left];
    if (left.id == kGone || left.next < 0)
      continue;
    Symbol &right = symbols[left.next];
    if (mergeOf(left, right).merged != best.merged)
      continue; // One of the two has merged with another since.
    left.id = best.merged;
    left.end = right.end;
    right.id = kGone;
    left.next = right.next;
    if (left.next >= 0)
      symbols[left.next].previous = best.left;
    for (const int32_t changed : {left.previous, best.left}) {
      const size_t before = heap.size();
      pushCandidate(changed);
      if (heap.size() != before)
        std::push_heap(heap.begin(), heap.end(), later);
    }
  }
}

void BpeMerger::mergeFew() {
  few.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    few.push_back(mergeOf(symbols[i], symbols[i + 1]));
  while (!few.empty()) {
    size_t best = few.size();
    for (size_t i = 0; i < few.size(); ++i)
      if (few[i].merged >= 0 && (best == few.size() || few[i].priority < few[best].priority))
        best = i;
    if (best == few.size())
      break;
    symbols[best].id = few[best].merged;
    symbols[best].end = symbols[best + 1].end;
    symbols.erase(symbols.begin() + best + 1);
    few.erase(few.begin() + best);
    if (best < few.size())
      few[best] = mergeOf(symbols[best], symbols[best + 1]);
    if (best > 0)
      few[best - 1] = mergeOf(symbols[best - 1], symbols[best]);
  }
}

void BpeMerger::emit(std::vector<int32_t> &ids) const {
  for (const Symbol &symbol : symbols)
    if (symbol.id != kGone)
      ids.push_back(symbol.id);
}

void BpeMerger::encodeBytes(std::string_view text, std::vector<int32_t> &ids) {
  word = text;
  symbols.clear();
  // A byte without a token is left out, as by a vocabulary that has no unknown token.
  for (size_t i = 0; i < word.size(); ++i)
    if (const int32_t id = tables.byteTokens[uint8_t(word[i])]; id >= 0)
      pushSymbol(id, i, i + 1);
  symbols.size() <= kFewSymbols ? mergeFew() : mergeAll();
  emit(ids);
}

void BpeMerger::encodePieces(std::string_view text, std::vector<int32_t> &ids) {
  word = text;
  symbols.clear();
  for (size_t i = 0; i < word.size();) {
    const size_t end = i + sequenceLength(word[i]);
    const int32_t id = tables.findPiece(word.substr(i, end - i));
    if (id >= 0 && !tables.isControl(id)) {
      pushSymbol(id, i, end);
    } else if (tables.byteFallback) {
      for (size_t b = i; b < end; ++b)
        pushSymbol(tables.byteTokens[uint8_t(word[b])], b, b + 1);
    } else if (tables.unknown >= 0) {
      // Neighbouring unknown characters are one unknown token.
      if (!symbols.empty() && symbols.back().id == tables.unknown && symbols.back().end == i)
        symbols.back().end = uint32_t(end);
      else
        pushSymbol(tables.unknown, i, end);
    }
    i = end;
  }
  symbols.size() <= kFewSymbols ? mergeFew() : mergeAll();
  emit(ids);
}

} // namespace tenon::text
