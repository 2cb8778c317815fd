//===- TokenizerLoad.cpp - Checking a tokenizer section -------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// After load() every offset and id of the section is known to be in range, so that nothing else
// checks.
//
#include "runtime/text/Tokenizer.h"
#include "runtime/text/TokenizerTables.h"

#include <limits>

namespace tenon::text {
namespace {

Status broken(const std::string &what) {
  return Status::dataLoss("tokenizer section: " + what +
                          "; the engine file is damaged, make it again with tenon-compile");
}

template <typename T> std::span<const T> spanOf(const flatbuffers::Vector<T> *vector) {
  return vector ? std::span<const T>(vector->data(), vector->size()) : std::span<const T>();
}
template <typename T> std::span<const T> spanOf(const flatbuffers::Vector<const T *> *vector) {
  return vector ? std::span<const T>(reinterpret_cast<const T *>(vector->Data()), vector->size())
                : std::span<const T>();
}

/// offsets[0] == 0, ascending, offsets[last] == bytes; notes the longest piece.
Status checkOffsets(const char *field, std::span<const uint32_t> offsets, size_t bytes,
                    uint32_t *longest) {
  bool ascending = offsets.front() == 0 && offsets.back() == bytes;
  uint32_t most = 0;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    ascending &= offsets[i] <= offsets[i + 1];
    most = std::max(most, offsets[i + 1] - offsets[i]);
  }
  if (!ascending)
    return broken(std::string(field) + " do not ascend from 0 to " + std::to_string(bytes));
  if (longest)
    *longest = most;
  return Status::ok();
}

bool isPowerOfTwoOrZero(size_t n) { return (n & (n - 1)) == 0; }

Status checkTrie(std::span<const fb::text::TrieNode> nodes, int32_t vocabulary) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    const fb::text::TrieNode &node = nodes[i];
    if (node.token() < -1 || node.token() >= vocabulary)
      return broken("added_tokens node " + std::to_string(i) + " names token " +
                    std::to_string(node.token()) + " of " + std::to_string(vocabulary));
    // Children after their parent: walks end.
    if (node.child_count() != 0 && (node.first_child() <= i || node.first_child() > nodes.size() ||
                                    node.child_count() > nodes.size() - node.first_child()))
      return broken("added_tokens node " + std::to_string(i) + " has children outside the table");
  }
  return Status::ok();
}

Status checkIds(const TokenizerTables &t) {
  const auto optional = [&](int32_t id) { return id >= -1 && id < t.vocabulary; };
  if (!optional(t.bos) || !optional(t.eos) || !optional(t.unknown) || !optional(t.padding))
    return broken("bos, eos, unknown or padding lies outside the vocabulary of " +
                  std::to_string(t.vocabulary));
  if ((t.addBos && t.bos < 0) || (t.addEos && t.eos < 0))
    return broken("it adds a BOS or EOS that it does not have");
  int32_t last = -1;
  for (const int32_t id : t.endOfGeneration) {
    if (id <= last || id >= t.vocabulary)
      return broken("end_of_generation is not an ascending list of tokens");
    last = id;
  }

  bool good = true;
  for (const int32_t id : t.byteTokens)
    good &= optional(id);
  if (!good)
    return broken("byte_tokens names a token outside the vocabulary");
  for (const uint8_t kind : t.kinds)
    good &= kind >= fb::text::TokenKind_MIN && kind <= fb::text::TokenKind_MAX;
  if (!good)
    return broken("kinds has a value outside 1 to 6");
  for (const fb::text::PieceSlot &slot : t.pieceSlots)
    good &= slot.id() < t.vocabulary;
  if (!good)
    return broken("piece_slots names a token outside the vocabulary");
  const uint32_t count = uint32_t(t.vocabulary);
  for (const fb::text::MergeSlot &slot : t.mergeSlots)
    good &= slot.left() < 0 || uint32_t(slot.merged()) < count;
  if (!good)
    return broken("merge_slots names a token outside the vocabulary");
  return checkTrie(t.addedTokens, t.vocabulary);
}

Status checkShapes(const TokenizerTables &t, size_t pieceBytes, size_t textBytes) {
  const size_t n = t.kinds.size();
  if (n == 0 || n > size_t(std::numeric_limits<int32_t>::max()) - 1)
    return broken("it has " + std::to_string(n) + " tokens");
  if (t.pieceOffsets.size() != n + 1 || t.textOffsets.size() != n + 1)
    return broken("piece_offsets or text_offsets do not have one entry per token and one more");
  if (!isPowerOfTwoOrZero(t.pieceSlots.size()) || !isPowerOfTwoOrZero(t.mergeSlots.size()))
    return broken("a hash table's size is not a power of two");
  if (t.byteTokens.size() != 256)
    return broken("byte_tokens has " + std::to_string(t.byteTokens.size()) + " of 256 entries");
  if (t.algorithm == fb::text::Algorithm_SentencePieceBpe &&
      (t.ranks.size() != n || t.spaceJoins.size() != 32))
    return broken("ranks or space_joins do not have the size that SentencePiece needs");
  if (t.addedTokens.empty())
    return broken("added_tokens has no root");
  return Status::ok();
}

} // namespace

StatusOr<Tokenizer> Tokenizer::load(std::span<const uint8_t> section) {
  if (reinterpret_cast<uintptr_t>(section.data()) % 8 != 0)
    return Status::invalidArgument("tokenizer section: it does not lie on an 8-byte boundary");
  if (section.size() < 16 || section.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return broken("it has " + std::to_string(section.size()) + " bytes");
  flatbuffers::Verifier verifier(section.data(), section.size(), /*max_depth=*/8, /*max_tables=*/8);
  if (!fb::text::TokenizerBufferHasIdentifier(section.data()) ||
      !fb::text::VerifyTokenizerBuffer(verifier))
    return broken("it is no well-formed FlatBuffer of tokenizer.fbs");

  const fb::text::Tokenizer &root = *fb::text::GetTokenizer(section.data());
  if (root.schema_version() != kTokenizerSchemaVersion)
    return Status::unsupported("tokenizer section: its schema version is " +
                               std::to_string(root.schema_version()) + ", this runtime reads " +
                               std::to_string(kTokenizerSchemaVersion) +
                               "; use the runtime that came with the compiler");
  if (root.algorithm() > fb::text::Algorithm_MAX ||
      root.pre_tokenizer() > fb::text::PreTokenizer_MAX)
    return Status::unsupported("tokenizer section: unknown algorithm " +
                               std::to_string(root.algorithm()) + " or pre-tokenizer " +
                               std::to_string(root.pre_tokenizer()));

  auto t = std::make_shared<TokenizerTables>();
  t->algorithm = root.algorithm();
  t->preTokenizer = root.pre_tokenizer();
  t->ignoreMerges = root.ignore_merges();
  t->addBos = root.add_bos();
  t->addEos = root.add_eos();
  t->addSpacePrefix = root.add_space_prefix();
  t->bos = root.bos();
  t->eos = root.eos();
  t->unknown = root.unknown();
  t->padding = root.padding();
  t->endOfGeneration = spanOf(root.end_of_generation());
  t->kinds = spanOf(root.kinds());
  t->pieceOffsets = spanOf(root.piece_offsets());
  t->textOffsets = spanOf(root.text_offsets());
  const std::span<const uint8_t> pieceBytes = spanOf(root.piece_bytes());
  const std::span<const uint8_t> textBytes = spanOf(root.text_bytes());
  t->pieceBytes = reinterpret_cast<const char *>(pieceBytes.data());
  t->textBytes = reinterpret_cast<const char *>(textBytes.data());
  t->pieceSlots = spanOf(root.piece_slots());
  t->mergeSlots = spanOf(root.merge_slots());
  t->addedTokens = spanOf(root.added_tokens());
  t->byteTokens = spanOf(root.byte_tokens());
  t->ranks = spanOf(root.ranks());
  t->spaceJoins = spanOf(root.space_joins());

  TENON_RETURN_IF_ERROR(checkShapes(*t, pieceBytes.size(), textBytes.size()));
  t->vocabulary = int32_t(t->kinds.size());
  TENON_RETURN_IF_ERROR(
      checkOffsets("piece_offsets", t->pieceOffsets, pieceBytes.size(), &t->longestPiece));
  TENON_RETURN_IF_ERROR(checkOffsets("text_offsets", t->textOffsets, textBytes.size(), nullptr));
  TENON_RETURN_IF_ERROR(checkIds(*t));
  t->byteFallback =
      std::all_of(t->byteTokens.begin(), t->byteTokens.end(), [](int32_t id) { return id >= 0; });
  return Tokenizer(std::move(t));
}

} // namespace tenon::text
