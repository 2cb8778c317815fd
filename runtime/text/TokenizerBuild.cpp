//===- TokenizerBuild.cpp - Making a tokenizer section --------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/ByteAlphabet.h"
#include "runtime/text/PieceHash.h"
#include "runtime/text/PreTokenize.h"
#include "runtime/text/TokenizerSource.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/tokenizer_generated.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace tenon::text {
namespace {

constexpr std::string_view kSpaceMark = "\xe2\x96\x81"; // U+2581
constexpr size_t kMaxTokens = size_t(1) << 24;
constexpr size_t kMaxPieceBytes = 65535;

Status wrong(const std::string &what) { return Status::invalidArgument("tokenizer: " + what); }

std::string replaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at; (at = text.find(from)) != text.npos; text.remove_prefix(at + from.size()))
    out.append(text.substr(0, at)).append(to);
  return out.append(text);
}

/// Strings one after the other.
struct StringPool {
  std::vector<uint32_t> offsets{0};
  std::vector<uint8_t> bytes;
  void add(std::string_view s) {
    bytes.insert(bytes.end(), s.begin(), s.end());
    offsets.push_back(uint32_t(bytes.size()));
  }
};

/// Fills an open-addressing table, doubling it until no entry is further than kMaxProbes from its
/// place. Entries chosen to collide could make it double without end: then it stays empty.
template <typename Slot, typename Entry, typename Hash, typename Make, typename IsEmpty>
std::vector<Slot> fillTable(const std::vector<Entry> &entries, Slot empty, Hash hash, Make make,
                            IsEmpty isEmpty) {
  const size_t least = std::bit_ceil(std::max<size_t>(entries.size() * 3 / 2, 4));
  for (size_t size = least; size <= least * 64; size *= 2) {
    std::vector<Slot> table(size, empty);
    bool fits = true;
    for (const Entry &entry : entries) {
      const uint64_t h = hash(entry);
      uint32_t probe = 0;
      while (probe < kMaxProbes && !isEmpty(table[(h + probe) & (size - 1)]))
        ++probe;
      if (probe == kMaxProbes) {
        fits = false;
        break;
      }
      table[(h + probe) & (size - 1)] = make(entry, h);
    }
    if (fits)
      return table;
  }
  return {};
}

/// A trie of added tokens, breadth first.
std::vector<fb::text::TrieNode> buildTrie(const std::map<std::string, int32_t> &tokens) {
  // A node is the range of sorted tokens that share its prefix of `depth` bytes.
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<std::pair<std::string_view, int32_t>> sorted(tokens.begin(), tokens.end());
  std::vector<Range> ranges{{0, sorted.size(), 0}};
  std::vector<uint8_t> labels{0};
  std::vector<fb::text::TrieNode> nodes;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Range range = ranges[i];
    size_t at = range.begin;
    int32_t token = -1;
    if (at < range.end && sorted[at].first.size() == range.depth)
      token = sorted[at++].second;
    const size_t firstChild = ranges.size();
    while (at < range.end) {
      const char label = sorted[at].first[range.depth];
      size_t end = at;
      while (end < range.end && sorted[end].first[range.depth] == label)
        ++end;
      ranges.push_back({at, end, range.depth + 1});
      labels.push_back(uint8_t(label));
      at = end;
    }
    const size_t count = ranges.size() - firstChild;
    nodes.emplace_back(token, count ? uint32_t(firstChild) : 0, uint16_t(count), labels[i], 0);
  }
  return nodes;
}

/// <0x41> spells byte 0x41.
int spelledByte(std::string_view piece) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>')
    return -1;
  const int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

class SectionBuilder {
public:
  explicit SectionBuilder(const TokenizerSource &s) : source(s) {}
  StatusOr<std::vector<uint8_t>> build();

private:
  Status check();
  Status readPieces();
  Status readMerges();
  void rankPieces();
  void addToken(int32_t id, std::string_view spelling);
  std::string byteLevelText(std::string_view piece) const;
  uint8_t kindOf(size_t id) const {
    return source.types.empty() ? uint8_t(fb::text::TokenKind_Normal) : uint8_t(source.types[id]);
  }

  const TokenizerSource &source;
  fb::text::Algorithm algorithm = fb::text::Algorithm_ByteLevelBpe;
  fb::text::PreTokenizer preTokenizer = fb::text::PreTokenizer_None;
  StringPool pieces, texts;
  std::vector<std::string> spelled;                   // The pieces as they are looked up.
  std::unordered_map<std::string_view, int32_t> idOf; // Views into `spelled`.
  std::map<std::string, int32_t> added;
  std::vector<int32_t> byteTokens = std::vector<int32_t>(256, -1);
  std::vector<fb::text::MergeSlot> merges; // In the order of the source, the last of equal pairs.
  std::vector<uint32_t> ranks;
  std::vector<uint8_t> spaceJoins = std::vector<uint8_t>(32, 0);
};

Status SectionBuilder::check() {
  const size_t n = source.tokens.size();
  if (source.model == "gpt2")
    algorithm = fb::text::Algorithm_ByteLevelBpe;
  else if (source.model == "llama")
    algorithm = fb::text::Algorithm_SentencePieceBpe;
  else
    return Status::unsupported(
        "tokenizer: model '" + source.model +
        "' is not known; known are gpt2 (byte-level BPE), llama (SentencePiece)");
  if (n == 0 || n > kMaxTokens)
    return wrong("it has " + std::to_string(n) + " tokens; 1 to " + std::to_string(kMaxTokens) +
                 " are wanted");
  if (!source.types.empty() && source.types.size() != n)
    return wrong(std::to_string(source.types.size()) + " types for " + std::to_string(n) +
                 " tokens");
  for (size_t i = 0; i < source.types.size(); ++i)
    if (source.types[i] < 1 || source.types[i] > 6)
      return wrong("token " + std::to_string(i) + " has type " + std::to_string(source.types[i]) +
                   "; 1 to 6 are known");
  const auto checkId = [&](const char *name, int32_t id) {
    return id >= -1 && id < int32_t(n)
               ? Status::ok()
               : wrong(std::string(name) + " token " + std::to_string(id) +
                       " lies outside the vocabulary of " + std::to_string(n));
  };
  TENON_RETURN_IF_ERROR(checkId("BOS", source.bos));
  TENON_RETURN_IF_ERROR(checkId("EOS", source.eos));
  TENON_RETURN_IF_ERROR(checkId("unknown", source.unknown));
  TENON_RETURN_IF_ERROR(checkId("padding", source.padding));
  for (const int32_t id : source.extraEos)
    TENON_RETURN_IF_ERROR(id < 0 ? wrong("a further EOS token is negative")
                                 : checkId("further EOS", id));
  if (source.addBos && source.bos < 0)
    return wrong("a BOS is to be added, but there is none");
  if (source.addEos && source.eos < 0)
    return wrong("an EOS is to be added, but there is none");

  if (algorithm == fb::text::Algorithm_ByteLevelBpe) {
    const auto known = preTokenizerByName(source.preTokenizer);
    if (!known)
      return Status::unsupported("tokenizer: pre-tokenizer '" + source.preTokenizer +
                                 "' is not known; known are " + std::string(preTokenizerNames()));
    preTokenizer = *known;
  } else if (source.scores.size() != n) {
    return wrong(std::to_string(source.scores.size()) + " scores for " + std::to_string(n) +
                 " tokens");
  }
  return Status::ok();
}

std::string SectionBuilder::byteLevelText(std::string_view piece) const {
  std::string text;
  for (size_t i = 0; i < piece.size();) {
    const Utf8Sequence c = readUtf8(piece.substr(i));
    if (!c.valid || c.codePoint >= kSpelledByte.size() || kSpelledByte[c.codePoint] < 0)
      return std::string(piece); // An added token that is spelled as it is.
    text += char(kSpelledByte[c.codePoint]);
    i += c.length;
  }
  return text;
}

void SectionBuilder::addToken(int32_t id, std::string_view spelling) {
  if (!spelling.empty())
    added.insert_or_assign(std::string(spelling), id);
}

Status SectionBuilder::readPieces() {
  spelled.reserve(source.tokens.size());
  size_t total = 0;
  for (size_t i = 0; i < source.tokens.size(); ++i) {
    const std::string &token = source.tokens[i];
    const uint8_t kind = kindOf(i);
    total += 3 * token.size();
    if (token.size() > kMaxPieceBytes || total > std::numeric_limits<int32_t>::max() / 2)
      return wrong("token " + std::to_string(i) + " has " + std::to_string(token.size()) +
                   " bytes");
    const bool isAdded =
        kind == fb::text::TokenKind_Control || kind == fb::text::TokenKind_UserDefined;

    if (algorithm == fb::text::Algorithm_ByteLevelBpe) {
      if (isAdded)
        addToken(int32_t(i), token);
      spelled.push_back(token);
      texts.add(byteLevelText(token));
    } else {
      // GGUF spells runs of spaces as spaces, merges meet them as U+2581. A text's own spaces are
      // U+2581 before anything is looked up, so such a run is an ordinary piece.
      const bool isSpaceRun = token.find_first_not_of(' ') == token.npos && !token.empty();
      if (isAdded && !isSpaceRun)
        addToken(int32_t(i), token);
      spelled.push_back(isSpaceRun ? replaceAll(token, " ", kSpaceMark) : token);
      const int byte = kind == fb::text::TokenKind_Byte ? spelledByte(token) : -1;
      if (kind == fb::text::TokenKind_Byte && byte < 0)
        return wrong("token " + std::to_string(i) + " is a byte token but is not spelled <0xNN>");
      if (byte >= 0)
        byteTokens[byte] = int32_t(i);
      texts.add(byte >= 0 ? std::string(1, char(byte))
                          : replaceAll(spelled.back(), kSpaceMark, " "));
    }
    pieces.add(spelled.back());
  }
  for (size_t i = 0; i < spelled.size(); ++i)
    idOf[spelled[i]] = int32_t(i); // Of equal pieces, the last.

  if (algorithm == fb::text::Algorithm_ByteLevelBpe)
    for (size_t byte = 0; byte < 256; ++byte) {
      std::string spelling;
      appendUtf8(spelling, kByteSpelling[byte]);
      if (const auto found = idOf.find(spelling); found != idOf.end())
        byteTokens[byte] = found->second;
    }
  return Status::ok();
}

Status SectionBuilder::readMerges() {
  std::unordered_map<uint64_t, size_t> seen;
  for (size_t rank = 0; rank < source.merges.size(); ++rank) {
    const std::string_view merge = source.merges[rank];
    const size_t space = merge.find(' ');
    const auto complain = [&](const char *what) {
      return wrong("merge " + std::to_string(rank) + " '" + std::string(merge) + "' " + what);
    };
    if (space == merge.npos || merge.find(' ', space + 1) != merge.npos)
      return complain("is not two pieces with a space between");
    const std::string joined =
        std::string(merge.substr(0, space)) + std::string(merge.substr(space + 1));
    const auto left = idOf.find(merge.substr(0, space)), right = idOf.find(merge.substr(space + 1));
    const auto merged = idOf.find(joined);
    if (left == idOf.end() || right == idOf.end() || merged == idOf.end())
      return complain("names a piece that is not in the vocabulary");
    // A control token is never made of ordinary text.
    if (kindOf(merged->second) == fb::text::TokenKind_Control)
      continue;
    const fb::text::MergeSlot slot(left->second, right->second, uint32_t(rank), merged->second);
    const uint64_t key = uint64_t(uint32_t(left->second)) << 32 | uint32_t(right->second);
    const auto [known, isNew] = seen.try_emplace(key, merges.size());
    if (isNew)
      merges.push_back(slot);
    else
      merges[known->second] = slot;
  }
  return Status::ok();
}

void SectionBuilder::rankPieces() {
  // Ordinary pieces are listed best first by every known trainer. Where they are, the id is the
  // priority, also for runs of white space and tags, whose stored scores are placeholders.
  const size_t n = source.tokens.size();
  bool listedBestFirst = true;
  float last = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < n && listedBestFirst; ++i)
    if (kindOf(i) == fb::text::TokenKind_Normal) {
      listedBestFirst = source.scores[i] <= last;
      last = source.scores[i];
    }
  ranks.resize(n);
  std::iota(ranks.begin(), ranks.end(), 0u);
  if (!listedBestFirst) {
    std::vector<float> order(source.scores);
    for (float &score : order)
      score = score == score ? -score : std::numeric_limits<float>::infinity(); // NaN comes last.
    std::vector<float> distinct(order);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (size_t i = 0; i < n; ++i)
      ranks[i] =
          uint32_t(std::lower_bound(distinct.begin(), distinct.end(), order[i]) - distinct.begin());
  }

  // Text may be cut before a space wherever no piece reaches over that cut.
  for (const std::string &piece : spelled)
    for (size_t at = piece.find(kSpaceMark, 1); at != piece.npos;
         at = piece.find(kSpaceMark, at + 1)) {
      const uint8_t before = uint8_t(piece[at - 1]);
      if (at < kSpaceMark.size() || piece.compare(at - 3, 3, kSpaceMark) != 0)
        spaceJoins[before / 8] |= uint8_t(1 << before % 8);
    }
}

StatusOr<std::vector<uint8_t>> SectionBuilder::build() {
  TENON_RETURN_IF_ERROR(check());
  TENON_RETURN_IF_ERROR(readPieces());
  if (algorithm == fb::text::Algorithm_ByteLevelBpe)
    TENON_RETURN_IF_ERROR(readMerges());
  else
    rankPieces();

  std::vector<int32_t> lookedUp; // The ids that idOf gives, in order.
  for (size_t i = 0; i < spelled.size(); ++i)
    if (idOf.at(spelled[i]) == int32_t(i))
      lookedUp.push_back(int32_t(i));
  const auto pieceSlots = fillTable(
      lookedUp, fb::text::PieceSlot(0, -1), [&](int32_t id) { return hashPiece(spelled[id]); },
      [](int32_t id, uint64_t h) { return fb::text::PieceSlot(uint32_t(h >> 32), id); },
      [](const fb::text::PieceSlot &slot) { return slot.id() < 0; });
  std::vector<fb::text::MergeSlot> mergeSlots;
  if (algorithm == fb::text::Algorithm_ByteLevelBpe)
    mergeSlots = fillTable(
        merges, fb::text::MergeSlot(-1, -1, 0, -1),
        [](const fb::text::MergeSlot &m) { return hashPair(m.left(), m.right()); },
        [](const fb::text::MergeSlot &m, uint64_t) { return m; },
        [](const fb::text::MergeSlot &slot) { return slot.left() < 0; });

  if (pieceSlots.empty() || (algorithm == fb::text::Algorithm_ByteLevelBpe && mergeSlots.empty()))
    return wrong("its pieces or merges all hash alike; the vocabulary is not an honest one");

  std::vector<int32_t> ends(source.extraEos);
  if (source.eos >= 0)
    ends.push_back(source.eos);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  std::vector<uint8_t> kinds(source.tokens.size());
  for (size_t i = 0; i < kinds.size(); ++i)
    kinds[i] = kindOf(i);

  flatbuffers::FlatBufferBuilder fbb(size_t(1) << 20);
  const auto endsOffset = fbb.CreateVector(ends);
  const auto kindsOffset = fbb.CreateVector(kinds);
  const auto pieceOffsets = fbb.CreateVector(pieces.offsets);
  const auto pieceBytes = fbb.CreateVector(pieces.bytes);
  const auto textOffsets = fbb.CreateVector(texts.offsets);
  const auto textBytes = fbb.CreateVector(texts.bytes);
  const auto pieceSlotsOffset = fbb.CreateVectorOfStructs(pieceSlots);
  const auto byteTokensOffset = fbb.CreateVector(byteTokens);
  const auto addedOffset = fbb.CreateVectorOfStructs(buildTrie(added));
  const auto mergeSlotsOffset = fbb.CreateVectorOfStructs(mergeSlots);
  const auto ranksOffset = fbb.CreateVector(ranks);
  const auto joinsOffset = fbb.CreateVector(spaceJoins);
  fb::text::TokenizerBuilder table(fbb);
  table.add_schema_version(kTokenizerSchemaVersion);
  table.add_algorithm(algorithm);
  table.add_pre_tokenizer(preTokenizer);
  // Llama 3's vocabulary has words that no sequence of its merges makes.
  table.add_ignore_merges(preTokenizer == fb::text::PreTokenizer_Llama3);
  table.add_add_bos(source.addBos);
  table.add_add_eos(source.addEos);
  table.add_add_space_prefix(source.addSpacePrefix);
  table.add_bos(source.bos);
  table.add_eos(source.eos);
  table.add_unknown(source.unknown);
  table.add_padding(source.padding);
  table.add_end_of_generation(endsOffset);
  table.add_kinds(kindsOffset);
  table.add_piece_offsets(pieceOffsets);
  table.add_piece_bytes(pieceBytes);
  table.add_text_offsets(textOffsets);
  table.add_text_bytes(textBytes);
  table.add_piece_slots(pieceSlotsOffset);
  table.add_byte_tokens(byteTokensOffset);
  table.add_added_tokens(addedOffset);
  table.add_merge_slots(mergeSlotsOffset);
  table.add_ranks(ranksOffset);
  table.add_space_joins(joinsOffset);
  fb::text::FinishTokenizerBuffer(fbb, table.Finish());
  return std::vector<uint8_t>(fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize());
}

} // namespace

StatusOr<std::vector<uint8_t>> buildTokenizerSection(const TokenizerSource &source) {
  return SectionBuilder(source).build();
}

} // namespace tenon::text
