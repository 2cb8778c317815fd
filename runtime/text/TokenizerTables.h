//===- TokenizerTables.h - A checked tokenizer section ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Views into a section whose every offset and id has been checked by load(). Internal to
// runtime/text.
//
#ifndef TENON_RUNTIME_TEXT_TOKENIZERTABLES_H
#define TENON_RUNTIME_TEXT_TOKENIZERTABLES_H

#include "runtime/text/PieceHash.h"
#include "runtime/text/tokenizer_generated.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace tenon::text {

struct TokenizerTables {
  fb::text::Algorithm algorithm = fb::text::Algorithm_ByteLevelBpe;
  fb::text::PreTokenizer preTokenizer = fb::text::PreTokenizer_None;
  bool ignoreMerges = false, addBos = false, addEos = false, addSpacePrefix = false;
  bool byteFallback = false; ///< Every byte has a token.
  int32_t bos = -1, eos = -1, unknown = -1, padding = -1;
  int32_t vocabulary = 0;
  uint32_t longestPiece = 0; ///< Bytes.
  std::span<const int32_t> endOfGeneration;
  std::span<const uint8_t> kinds;                      // [vocabulary]
  std::span<const uint32_t> pieceOffsets, textOffsets; // [vocabulary + 1]
  const char *pieceBytes = nullptr, *textBytes = nullptr;
  std::span<const fb::text::PieceSlot> pieceSlots;
  std::span<const fb::text::MergeSlot> mergeSlots;
  std::span<const fb::text::TrieNode> addedTokens;
  std::span<const int32_t> byteTokens; // [256]
  std::span<const uint32_t> ranks;     // [vocabulary]
  std::span<const uint8_t> spaceJoins; // [32]

  bool has(int32_t id) const { return id >= 0 && id < vocabulary; }
  std::string_view piece(int32_t id) const {
    return {pieceBytes + pieceOffsets[id], pieceOffsets[id + 1] - pieceOffsets[id]};
  }
  std::string_view text(int32_t id) const {
    return {textBytes + textOffsets[id], textOffsets[id + 1] - textOffsets[id]};
  }
  bool isControl(int32_t id) const { return kinds[id] == fb::text::TokenKind_Control; }

  /// The id of `wanted`, or -1.
  int32_t findPiece(std::string_view wanted) const {
    if (wanted.size() > longestPiece || pieceSlots.empty())
      return -1;
    const uint64_t hash = hashPiece(wanted);
    const size_t mask = pieceSlots.size() - 1;
    for (uint32_t probe = 0; probe < kMaxProbes; ++probe) {
      const fb::text::PieceSlot &slot = pieceSlots[(hash + probe) & mask];
      if (slot.id() < 0)
        return -1;
      if (slot.tag() == uint32_t(hash >> 32) && piece(slot.id()) == wanted)
        return slot.id();
    }
    return -1;
  }

  /// The merge of a pair, or null.
  const fb::text::MergeSlot *findMerge(int32_t left, int32_t right) const {
    if (mergeSlots.empty())
      return nullptr;
    const uint64_t hash = hashPair(left, right);
    const size_t mask = mergeSlots.size() - 1;
    for (uint32_t probe = 0; probe < kMaxProbes; ++probe) {
      const fb::text::MergeSlot &slot = mergeSlots[(hash + probe) & mask];
      if (slot.left() < 0)
        return nullptr;
      if (slot.left() == left && slot.right() == right)
        return &slot;
    }
    return nullptr;
  }
};

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_TOKENIZERTABLES_H
