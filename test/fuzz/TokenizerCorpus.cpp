//===- TokenizerCorpus.cpp - Seeds of the tokenizer fuzzer ----------------===//
// SPDX-License-Identifier: Apache-2.0
//
//   tenon_tokenizer_corpus FOLDER : writes small sections of both kinds
//
#include "runtime/text/TokenizerSource.h"

#include <cstdio>
#include <fstream>

using namespace tenon::text;

static TokenizerSource byteLevel(const char *preTokenizer) {
  TokenizerSource source;
  source.model = "gpt2";
  source.preTokenizer = preTokenizer;
  source.tokens = {"<s>",
                   "</s>",
                   "a",
                   "b",
                   "c",
                   "\xc4\xa0",
                   "'",
                   "l",
                   "1",
                   "2",
                   "ab",
                   "\xc4\xa0"
                   "ab",
                   "abc",
                   "ll"};
  source.types = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  source.merges = {"a b", "\xc4\xa0 ab", "ab c", "l l"};
  source.bos = 0;
  source.eos = 1;
  source.extraEos = {0};
  source.addBos = true;
  return source;
}

static TokenizerSource sentencePiece() {
  TokenizerSource source;
  source.model = "llama";
  source.tokens = {"<unk>", "<s>", "</s>", "  ", "\n\n"};
  source.types = {2, 3, 3, 4, 4};
  source.scores = {0, 0, 0, -1000, -1000};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    source.tokens.push_back(name);
    source.types.push_back(6);
    source.scores.push_back(0);
  }
  for (const char *piece : {"\xe2\x96\x81", "a", "b", "ab",
                            "\xe2\x96\x81"
                            "ab",
                            "\xc3\xb6", "l", "ll", ">\xe2\x96\x81<"}) {
    source.tokens.push_back(piece);
    source.types.push_back(1);
    source.scores.push_back(-float(source.scores.size()));
  }
  source.unknown = 0;
  source.bos = 1;
  source.eos = 2;
  source.addBos = source.addEos = source.addSpacePrefix = true;
  return source;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  const std::pair<const char *, TokenizerSource> seeds[] = {{"smollm", byteLevel("smollm")},
                                                            {"llama3", byteLevel("llama-bpe")},
                                                            {"sentencepiece", sentencePiece()}};
  for (const auto &[name, source] : seeds) {
    const auto section = buildTokenizerSection(source);
    if (!section) {
      std::fprintf(stderr, "%s: %s\n", name, section.status().message().c_str());
      return 1;
    }
    std::ofstream(std::string(argv[1]) + "/" + name + ".section", std::ios::binary)
        .write(reinterpret_cast<const char *>(section->data()), std::streamsize(section->size()));
  }
  std::ofstream vocabulary(std::string(argv[1]) + "/vocabulary.source", std::ios::binary);
  vocabulary << "V" << '\x42' << '\x00' << '\x01' << "\x03<s>\xff\x03</s>\xff" << "a\xff" << "b\xff"
             << "ab\xfe" << "a b";
  return 0;
}
