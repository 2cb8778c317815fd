//===- Tokenizer.cpp - Text to ids and back -------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Tokenizer.h"
#include "runtime/text/BpeMerge.h"
#include "runtime/text/ByteAlphabet.h"
#include "runtime/text/PreTokenize.h"
#include "runtime/text/TokenizerTables.h"
#include "runtime/text/Utf8.h"

#include <bitset>
#include <new>

namespace tenon::text {
namespace {

constexpr std::string_view kSpaceMark = "\xe2\x96\x81"; // U+2581

/// Finds added tokens in text: of those that start leftmost, the longest.
class AddedTokenFinder {
public:
  AddedTokenFinder(const TokenizerTables &t, bool control) : tables(t), withControl(control) {
    const fb::text::TrieNode &root = tables.addedTokens[0];
    for (uint32_t i = 0; i < root.child_count(); ++i)
      firstBytes.set(tables.addedTokens[root.first_child() + i].label());
  }

  struct Match {
    size_t begin, end;
    int32_t id; // -1: none up to the end of the text
  };

  Match next(std::string_view text, size_t from) const {
    for (size_t begin = from; begin < text.size(); ++begin) {
      if (!firstBytes[uint8_t(text[begin])])
        continue;
      Match best{begin, begin, -1};
      const fb::text::TrieNode *node = &tables.addedTokens[0];
      for (size_t i = begin; i < text.size() && (node = child(*node, uint8_t(text[i]))); ++i)
        if (node->token() >= 0 && (withControl || !tables.isControl(node->token())))
          best = {begin, i + 1, node->token()};
      if (best.id >= 0)
        return best;
    }
    return {text.size(), text.size(), -1};
  }

private:
  const fb::text::TrieNode *child(const fb::text::TrieNode &node, uint8_t label) const {
    const auto children = tables.addedTokens.subspan(node.first_child(), node.child_count());
    const auto found = std::lower_bound(children.begin(), children.end(), label,
                                        [](const fb::text::TrieNode &candidate, uint8_t wanted) {
                                          return candidate.label() < wanted;
                                        });
    return found != children.end() && found->label() == label ? &*found : nullptr;
  }

  const TokenizerTables &tables;
  bool withControl;
  std::bitset<256> firstBytes;
};

/// Encodes the text between added tokens.
class FragmentEncoder {
public:
  FragmentEncoder(const TokenizerTables &t, std::vector<int32_t> &out)
      : tables(t), ids(out), merger(t) {}

  void encode(std::string_view fragment) {
    if (fragment.empty())
      return;
    if (tables.algorithm == fb::text::Algorithm_ByteLevelBpe)
      encodeByteLevel(fragment);
    else
      encodeSentencePiece(fragment);
  }

private:
  void encodeByteLevel(std::string_view fragment) {
    for (size_t begin = 0; begin < fragment.size();) {
      const size_t end = wordEnd(tables.preTokenizer, fragment, begin);
      const std::string_view word = fragment.substr(begin, end - begin);
      begin = end;
      if (tables.ignoreMerges && word.size() <= tables.longestPiece) {
        buffer.clear();
        for (const char byte : word)
          appendUtf8(buffer, kByteSpelling[uint8_t(byte)]);
        if (const int32_t id = tables.findPiece(buffer); id >= 0 && !tables.isControl(id)) {
          ids.push_back(id);
          continue;
        }
      }
      merger.encodeBytes(word, ids);
    }
  }

  void encodeSentencePiece(std::string_view fragment) {
    buffer.clear();
    if (tables.addSpacePrefix)
      buffer += kSpaceMark;
    for (const char c : fragment)
      if (c == ' ')
        buffer += kSpaceMark;
      else
        buffer += c;

    // Cut before a space where no piece reaches over the cut: no merge does then, and the ids are
    // those of the whole.
    const std::string_view text = buffer;
    size_t begin = 0;
    for (size_t at = text.find(kSpaceMark); at != text.npos;) {
      if (at > begin) {
        const uint8_t before = uint8_t(text[at - 1]);
        if (!(tables.spaceJoins[before / 8] >> (before % 8) & 1)) {
          merger.encodePieces(text.substr(begin, at - begin), ids);
          begin = at;
        }
      }
      do
        at += kSpaceMark.size();
      while (text.substr(at).starts_with(kSpaceMark));
      at = text.find(kSpaceMark, at);
    }
    if (begin < text.size())
      merger.encodePieces(text.substr(begin), ids);
  }

  const TokenizerTables &tables;
  std::vector<int32_t> &ids;
  BpeMerger merger;
  std::string buffer;
};

std::vector<int32_t> encodeValid(const TokenizerTables &tables, std::string_view text,
                                 bool addSpecial, bool parseSpecial) {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 2);
  if (addSpecial && tables.addBos)
    ids.push_back(tables.bos);
  const AddedTokenFinder finder(tables, parseSpecial);
  FragmentEncoder encoder(tables, ids);
  for (size_t at = 0; at < text.size();) {
    const AddedTokenFinder::Match match = finder.next(text, at);
    encoder.encode(text.substr(at, match.begin - at));
    if (match.id >= 0)
      ids.push_back(match.id);
    at = match.end;
  }
  if (addSpecial && tables.addEos)
    ids.push_back(tables.eos);
  return ids;
}

} // namespace

StatusOr<std::vector<int32_t>> Tokenizer::encode(std::string_view text, bool addSpecial,
                                                 bool parseSpecial) const {
  if (text.size() > kMaxTextBytes)
    return Status::invalidArgument("the text has " + std::to_string(text.size()) +
                                   " bytes and at most " + std::to_string(kMaxTextBytes) +
                                   " are encoded at once; split it");
  try {
    if (validPrefix(text) == text.size())
      return encodeValid(*tables, text, addSpecial, parseSpecial);
    std::string valid;
    appendSanitized(valid, text);
    return encodeValid(*tables, valid, addSpecial, parseSpecial);
  } catch (const std::bad_alloc &) {
    return Status::resourceExhausted("encoding " + std::to_string(text.size()) +
                                     " bytes of text needs more memory than there is; split it");
  }
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecial) const {
  const bool byteLevel = tables->algorithm == fb::text::Algorithm_ByteLevelBpe;
  std::string bytes, text, run; // `run`: neighbouring byte tokens of SentencePiece
  const auto endRun = [&] {
    if (validPrefix(run) == run.size())
      text += run;
    else
      for (size_t i = 0; i < run.size(); ++i)
        appendUtf8(text, kReplacement);
    run.clear();
  };
  for (const int32_t id : ids) {
    if (!tables->has(id) || (skipSpecial && isSpecial(id)))
      continue;
    if (byteLevel) {
      bytes += tables->text(id);
    } else if (tables->kinds[id] == fb::text::TokenKind_Byte) {
      run += tables->text(id);
    } else {
      endRun();
      appendSanitized(text, tables->text(id));
    }
  }
  if (byteLevel)
    appendSanitized(text, bytes);
  else
    endRun();
  if (tables->addSpacePrefix && text.starts_with(' '))
    text.erase(0, 1);
  return text;
}

std::string_view Tokenizer::tokenBytes(int32_t id) const {
  return tables->has(id) ? tables->text(id) : std::string_view();
}

std::string_view Tokenizer::tokenPiece(int32_t id) const {
  return tables->has(id) ? tables->piece(id) : std::string_view();
}

std::optional<int32_t> Tokenizer::findPiece(std::string_view piece) const {
  const int32_t id = tables->findPiece(piece);
  return id < 0 ? std::nullopt : std::optional(id);
}

int32_t Tokenizer::bos() const { return tables->bos; }
int32_t Tokenizer::eos() const { return tables->eos; }
int32_t Tokenizer::padding() const { return tables->padding; }
bool Tokenizer::addsBos() const { return tables->addBos; }
bool Tokenizer::addsEos() const { return tables->addEos; }
int32_t Tokenizer::vocabularySize() const { return tables->vocabulary; }

bool Tokenizer::isSpecial(int32_t id) const {
  return tables->has(id) && (tables->kinds[id] == fb::text::TokenKind_Control ||
                             tables->kinds[id] == fb::text::TokenKind_Unknown);
}

bool Tokenizer::isEndOfGeneration(int32_t id) const {
  return std::binary_search(tables->endOfGeneration.begin(), tables->endOfGeneration.end(), id);
}

} // namespace tenon::text
