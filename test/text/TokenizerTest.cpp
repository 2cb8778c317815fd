//===- TokenizerTest.cpp - Tokenizers on small vocabularies ---------------===//
// SPDX-License-Identifier: Apache-2.0
//
// What the comparison with Hugging Face cannot show: bounds, hostile sections, streaming, settings.
//
#include "runtime/text/Tokenizer.h"
#include "GgufTokenizer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <ctime>
#include <functional>
#include <random>

namespace tenon::text {
namespace {

using Ids = std::vector<int32_t>;

TokenizerSource byteLevel() {
  TokenizerSource source;
  source.model = "gpt2";
  source.preTokenizer = "gpt-2";
  source.tokens = {"<s>", "</s>", "<|user|>"};
  source.types = {3, 3, 4};
  // All bytes, spelled as GPT-2 does, then pieces.
  for (int byte = 0, next = 256; byte < 256; ++byte) {
    const bool asItself = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    const int code = asItself ? byte : next++;
    std::string spelling;
    if (code < 0x80)
      spelling = char(code);
    else
      spelling = {char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
    source.tokens.push_back(spelling);
    source.types.push_back(1);
  }
  for (const char *piece : {"ab", "abc", "aa", "aaaa"}) {
    source.tokens.push_back(piece);
    source.types.push_back(1);
  }
  source.merges = {"a b", "ab c", "a a", "aa aa"};
  source.bos = 0;
  source.eos = 1;
  source.extraEos = {2};
  source.addBos = true;
  return source;
}
constexpr int32_t kByte = 3; // Id of byte 0.
constexpr int32_t kAb = 259, kAbc = 260, kAaaa = 262;

TokenizerSource sentencePiece() {
  TokenizerSource source;
  source.model = "llama";
  source.tokens = {"<unk>", "<s>", "</s>"};
  source.types = {2, 3, 3};
  source.scores = {0, 0, 0};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    source.tokens.push_back(name);
    source.types.push_back(6);
    source.scores.push_back(0);
  }
  for (const char *piece : {"\u2581", "a", "b", "ab", "\u2581ab"}) {
    source.tokens.push_back(piece);
    source.types.push_back(1);
    source.scores.push_back(-float(source.tokens.size()));
  }
  source.unknown = 0;
  source.bos = 1;
  source.eos = 2;
  source.addBos = true;
  return source;
}
constexpr int32_t kSpmByte = 3, kSpace = 259, kA = 260, kSpmAb = 262, kSpaceAb = 263;

/// A tokenizer and the section that it refers to.
struct Loaded {
  std::vector<uint8_t> section;
  std::optional<Tokenizer> tokenizer;
  Tokenizer *operator->() { return &*tokenizer; }
  Tokenizer &operator*() { return *tokenizer; }
};

Loaded load(const TokenizerSource &source) {
  auto section = buildTokenizerSection(source);
  EXPECT_TRUE(section.isOk()) << section.status().message();
  Loaded loaded{std::move(*section), std::nullopt};
  auto tokenizer = Tokenizer::load(loaded.section);
  EXPECT_TRUE(tokenizer.isOk()) << tokenizer.status().message();
  loaded.tokenizer = std::move(*tokenizer);
  return loaded;
}

Ids encode(const Tokenizer &tokenizer, std::string_view text, bool addSpecial = false,
           bool parseSpecial = true) {
  auto ids = tokenizer.encode(text, addSpecial, parseSpecial);
  EXPECT_TRUE(ids.isOk()) << ids.status().message();
  return *ids;
}

/// Processor time: what neighbours on the machine do does not count.
double seconds(const std::function<void()> &work) {
  const auto now = [] {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
  };
  const double begin = now();
  work();
  return now() - begin;
}

TEST(Tokenizer, mergesTheBestRankFirst) {
  auto t = load(byteLevel());
  EXPECT_EQ(encode(*t, "abc"), Ids{kAbc});
  EXPECT_EQ(encode(*t, "aab"), (Ids{kByte + 'a', kAb}));
  EXPECT_EQ(encode(*t, "aaaaa"), (Ids{kAaaa, kByte + 'a'}));
}

TEST(Tokenizer, addsTheTokensOfItsSettings) {
  auto t = load(byteLevel());
  EXPECT_EQ(encode(*t, "ab", true), (Ids{0, kAb}));
  EXPECT_EQ(encode(*t, "", true), Ids{0});
  EXPECT_EQ(t->bos(), 0);
  EXPECT_EQ(t->eos(), 1);
  EXPECT_TRUE(t->isEndOfGeneration(1));
  EXPECT_TRUE(t->isEndOfGeneration(2));
  EXPECT_FALSE(t->isEndOfGeneration(0));
  EXPECT_FALSE(t->isEndOfGeneration(-1));
}

TEST(Tokenizer, readsControlTokensOnlyInTrustedText) {
  auto t = load(byteLevel());
  EXPECT_EQ(encode(*t, "ab</s>ab"), (Ids{kAb, 1, kAb}));
  const Ids untrusted = encode(*t, "</s><|user|>", false, false);
  EXPECT_EQ(untrusted, (Ids{kByte + '<', kByte + '/', kByte + 's', kByte + '>', 2}));
  EXPECT_EQ(t->decode(untrusted, true), "</s><|user|>");
}

TEST(Tokenizer, neverMergesTextIntoAControlToken) {
  TokenizerSource source = byteLevel();
  source.tokens.insert(source.tokens.end(), {"<|", "<|>"});
  source.types.insert(source.types.end(), {1, 3});
  source.merges = {"< |", "<| >"};
  auto t = load(source);
  EXPECT_EQ(encode(*t, "<|>", false, false), (Ids{263, kByte + '>'}));
  EXPECT_EQ(encode(*t, "<|>"), Ids{264});

  TokenizerSource pieces = sentencePiece();
  for (const char *piece : {"<", "s", ">", "<s"}) {
    pieces.tokens.push_back(piece);
    pieces.types.push_back(1);
    pieces.scores.push_back(-1000 - float(pieces.tokens.size()));
  }
  auto spm = load(pieces);
  EXPECT_EQ(encode(*spm, "<s>", false, false), (Ids{267, 266}));
  EXPECT_EQ(encode(*spm, "<s>"), Ids{1});
}

TEST(Tokenizer, decodesSkippingControlTokens) {
  auto t = load(byteLevel());
  EXPECT_EQ(t->decode(Ids{0, kAb, 1}, true), "ab");
  EXPECT_EQ(t->decode(Ids{0, kAb, 1}, false), "<s>ab</s>");
  EXPECT_EQ(t->decode(Ids{-1, kAb, 1 << 30}, true), "ab");
}

TEST(Tokenizer, findsPieces) {
  auto t = load(byteLevel());
  EXPECT_EQ(t->findPiece("<|user|>"), 2);
  EXPECT_EQ(t->findPiece("abc"), kAbc);
  EXPECT_EQ(t->findPiece("nothing"), std::nullopt);
  EXPECT_EQ(t->findPiece(""), std::nullopt);
  EXPECT_EQ(t->tokenPiece(kAbc), "abc");
  EXPECT_EQ(t->tokenPiece(-5), "");
  EXPECT_EQ(t->tokenBytes(kByte + ' '), " ");
}

TEST(Tokenizer, replacesInvalidUtf8ByMaximalParts) {
  auto t = load(byteLevel());
  EXPECT_EQ(encode(*t, "a\xe2\x82z"), encode(*t, "a\uFFFDz"));
  EXPECT_EQ(encode(*t, "\xff\xc0\x80"), encode(*t, "\uFFFD\uFFFD\uFFFD"));
  EXPECT_EQ(encode(*t, "\xed\xa0\x80"), encode(*t, "\uFFFD\uFFFD\uFFFD"));
}

TEST(Tokenizer, fallsBackToBytes) {
  auto t = load(sentencePiece());
  EXPECT_EQ(encode(*t, "é"), (Ids{kSpmByte + 0xc3, kSpmByte + 0xa9}));
  EXPECT_EQ(t->decode(Ids{kSpmByte + 0xc3, kSpmByte + 0xa9}, false), "é");
  // A run of byte tokens that is not valid as a whole is one U+FFFD for each.
  EXPECT_EQ(t->decode(Ids{kSpmByte + 'x', kSpmByte + 0xc3}, false), "\uFFFD\uFFFD");
}

TEST(Tokenizer, spellsSpacesAsPieces) {
  auto t = load(sentencePiece());
  EXPECT_EQ(encode(*t, "ab ab"), (Ids{kSpmAb, kSpaceAb}));
  EXPECT_EQ(encode(*t, " a"), (Ids{kSpace, kA}));
  TokenizerSource prefixed = sentencePiece();
  prefixed.addSpacePrefix = true;
  auto p = load(prefixed);
  EXPECT_EQ(encode(*p, "ab ab"), (Ids{kSpaceAb, kSpaceAb}));
  EXPECT_EQ(p->decode(Ids{kSpaceAb, kSpaceAb}, false), "ab ab");
}

TEST(Tokenizer, withoutAllBytesUnknownCharactersFuse) {
  TokenizerSource source = sentencePiece();
  source.types[kSpmByte + 7] = 5;
  auto t = load(source);
  EXPECT_EQ(encode(*t, "aéèa"), (Ids{kA, 0, kA}));
}

TEST(Tokenizer, streamsWholeCharactersOnly) {
  auto t = load(byteLevel());
  DecodeStream stream(*t, true);
  EXPECT_EQ(stream.push(kByte + 0xf0), "");
  EXPECT_EQ(stream.push(kByte + 0x9f), "");
  EXPECT_EQ(stream.push(0), "");
  EXPECT_EQ(stream.push(kByte + 0x98), "");
  EXPECT_EQ(stream.push(kByte + 0x80), "😀");
  EXPECT_EQ(stream.push(kByte + 0xe2), "");
  EXPECT_EQ(stream.push(kAb), "\uFFFDab");
  EXPECT_EQ(stream.push(kByte + 0xc3), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Tokenizer, aStreamJoinsToTheDecodedText) {
  auto t = load(byteLevel());
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Ids ids(random() % 12);
    for (int32_t &id : ids)
      id = int32_t(random() % uint32_t(t->vocabularySize()));
    DecodeStream stream(*t, round % 2);
    std::string joined;
    for (const int32_t id : ids)
      joined += stream.push(id);
    joined += stream.finish();
    EXPECT_EQ(joined, t->decode(ids, round % 2));
  }
}

TEST(Tokenizer, longTextsTakeNearlyLinearTime) {
  auto t = load(byteLevel());
  auto spm = load(sentencePiece());
  for (Loaded *loaded : {&t, &spm})
    for (const char *unit : {"a", " ", "ab", "é", "\n", "<", "ab ", "'", "1"}) {
      std::string shorter, longer;
      while (shorter.size() < 100'000)
        shorter += unit;
      for (int i = 0; i < 8; ++i)
        longer += shorter;
      Ids ids;
      const double small = seconds([&] { ids = encode(**loaded, shorter); });
      const double large = seconds([&] { ids = encode(**loaded, longer); });
      EXPECT_EQ(loaded->tokenizer->decode(ids, false), longer);
      // Eight times the text: O(n log n) is below 10 times, O(n^2) is 64 times. 0.2 s is noise.
      EXPECT_LT(large, 24 * small + 0.2) << "of '" << unit << "'";
    }
}

TEST(Tokenizer, refusesTextBeyondItsLimit) {
  auto t = load(byteLevel());
  const std::string huge(Tokenizer::kMaxTextBytes + 1, 'a');
  EXPECT_EQ(t->encode(huge, false).status().code(), StatusCode::InvalidArgument);
}

TEST(TokenizerSection, isTheSameEveryTime) {
  EXPECT_EQ(*buildTokenizerSection(byteLevel()), *buildTokenizerSection(byteLevel()));
  EXPECT_EQ(*buildTokenizerSection(sentencePiece()), *buildTokenizerSection(sentencePiece()));
}

TEST(TokenizerSection, namesWhatIsWrongWithItsSource) {
  const auto fails = [](TokenizerSource source, const char *word) {
    const auto section = buildTokenizerSection(source);
    ASSERT_FALSE(section.isOk()) << word;
    EXPECT_NE(section.status().message().find(word), std::string::npos)
        << section.status().message();
  };
  TokenizerSource source = byteLevel();
  source.model = "t5";
  fails(source, "t5");
  source = byteLevel();
  source.preTokenizer = "nosuch";
  fails(source, "smollm");
  source = byteLevel();
  source.merges.push_back("a zz");
  fails(source, "merge 4");
  source = byteLevel();
  source.merges.push_back("nospace");
  fails(source, "nospace");
  source = byteLevel();
  source.eos = 263;
  fails(source, "EOS");
  source = byteLevel();
  source.bos = -1;
  fails(source, "BOS");
  source = byteLevel();
  source.types.pop_back();
  fails(source, "types");
  source = sentencePiece();
  source.scores.clear();
  fails(source, "scores");
  source = sentencePiece();
  source.tokens[5] = "<0xZZ>";
  fails(source, "byte");
  source = TokenizerSource();
  source.model = "gpt2";
  fails(source, "0 tokens");
}

TEST(TokenizerSection, truncatedOrFlippedBytesGiveAnErrorOrAWorkingTokenizer) {
  std::mt19937 random(3);
  for (const TokenizerSource &source : {byteLevel(), sentencePiece()}) {
    const std::vector<uint8_t> good = *buildTokenizerSection(source);
    for (size_t size = 0; size < good.size(); size += 1 + size / 50) {
      const std::vector<uint8_t> cut(good.begin(), good.begin() + ptrdiff_t(size));
      EXPECT_FALSE(Tokenizer::load(cut).isOk()) << size;
    }
    size_t refused = 0;
    for (int round = 0; round < 3000; ++round) {
      std::vector<uint8_t> bytes = good;
      for (int flips = 1 + int(random() % 3); flips > 0; --flips)
        bytes[random() % bytes.size()] ^= uint8_t(1 << random() % 8);
      const auto tokenizer = Tokenizer::load(bytes);
      refused += !tokenizer.isOk();
      if (!tokenizer)
        continue;
      for (const int32_t id : encode(*tokenizer, "ab abc é <s>\n", true))
        EXPECT_TRUE(id >= 0 && id < tokenizer->vocabularySize());
    }
    EXPECT_GT(refused, 0u);
  }
}

TEST(TokenizerSection, refusesANewerSchema) {
  std::vector<uint8_t> bytes = *buildTokenizerSection(byteLevel());
  // schema_version is the only 32-bit field of value 1 in the root table: change each candidate.
  bool refused = false;
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    uint32_t value;
    std::memcpy(&value, &bytes[at], 4);
    if (value != 1)
      continue;
    std::vector<uint8_t> newer = bytes;
    newer[at] = 2;
    const auto tokenizer = Tokenizer::load(newer);
    refused |= !tokenizer && tokenizer.status().code() == StatusCode::Unsupported &&
               tokenizer.status().message().find("version is 2") != std::string::npos;
  }
  EXPECT_TRUE(refused);
}

TEST(TokenizerSection, wantsAnAlignedPlace) {
  const std::vector<uint8_t> good = *buildTokenizerSection(byteLevel());
  std::vector<uint8_t> moved(good.size() + 1);
  std::memcpy(moved.data() + 1, good.data(), good.size());
  EXPECT_EQ(Tokenizer::load(std::span(moved).subspan(1)).status().code(),
            StatusCode::InvalidArgument);
}

TEST(TokenizerSection, loadsInAFewMilliseconds) {
  for (const char *file : {"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    const std::string path = findModel(file);
    if (path.empty())
      GTEST_SKIP() << file << " is not in TENON_MODELS";
    const auto gguf = readGgufTokenizer(path);
    ASSERT_TRUE(gguf.isOk()) << gguf.status().message();
    const std::vector<uint8_t> section = *buildTokenizerSection(gguf->source);
    double best = 1;
    for (int i = 0; i < 5; ++i)
      best = std::min(best, seconds([&] { EXPECT_TRUE(Tokenizer::load(section).isOk()); }));
    EXPECT_LT(best, 0.003) << file;
    RecordProperty(file, std::to_string(best * 1e3) + " ms");
  }
}

} // namespace
} // namespace tenon::text
