//===- tokenizer-probe.cpp - The tokenizer behind a pipe ------------------===//
// SPDX-License-Identifier: Apache-2.0
//
//   tokenizer-probe MODEL.gguf [--pre NAME] [--space-prefix] [--no-parse-special] [--add-special]
//   [--decode]
//
// Reads strings from stdin, each a 32-bit length and that many bytes, and writes for each: the
// number of ids, the ids, and for decode() with special tokens and without them the length and the
// text. All numbers are 32-bit little endian. With --decode each input is a list of ids.
// tokenizer_oracle.py compares them with the reference.
//
#include "GgufTokenizer.h"
#include "runtime/text/Tokenizer.h"

#include <chrono>
#include <cstdio>
#include <cstring>

using namespace tenon::text;

static void writeNumber(size_t n) {
  const auto value = uint32_t(n);
  std::fwrite(&value, 4, 1, stdout);
}

static void writeText(const std::string &text) {
  writeNumber(text.size());
  std::fwrite(text.data(), 1, text.size(), stdout);
}

static int fail(const tenon::Status &status) {
  std::fprintf(stderr, "tokenizer-probe: %s\n", status.message().c_str());
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: tokenizer-probe MODEL.gguf [options]\n");
    return 2;
  }
  auto gguf = readGgufTokenizer(argv[1]);
  if (!gguf)
    return fail(gguf.status());
  bool parseSpecial = true, addSpecial = false, decodeOnly = false;
  for (int i = 2; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--pre") && i + 1 < argc)
      gguf->source.preTokenizer = argv[++i];
    else if (!std::strcmp(argv[i], "--space-prefix"))
      gguf->source.addSpacePrefix = true;
    else if (!std::strcmp(argv[i], "--no-parse-special"))
      parseSpecial = false;
    else if (!std::strcmp(argv[i], "--add-special"))
      addSpecial = true;
    else if (!std::strcmp(argv[i], "--decode"))
      decodeOnly = true;
  }
  auto section = buildTokenizerSection(gguf->source);
  if (!section)
    return fail(section.status());
  const auto begin = std::chrono::steady_clock::now();
  auto tokenizer = Tokenizer::load(*section);
  const std::chrono::duration<double, std::milli> loading =
      std::chrono::steady_clock::now() - begin;
  if (!tokenizer)
    return fail(tokenizer.status());
  std::fprintf(stderr, "section: %zu bytes, load: %.2f ms\n", section->size(), loading.count());

  uint32_t length;
  std::string text;
  std::chrono::duration<double> encoding{0};
  size_t bytes = 0;
  while (std::fread(&length, 4, 1, stdin) == 1) {
    text.resize(length);
    if (std::fread(text.data(), 1, length, stdin) != length)
      return 1;
    const auto start = std::chrono::steady_clock::now();
    tenon::StatusOr<std::vector<int32_t>> ids = std::vector<int32_t>(length / 4);
    if (decodeOnly)
      std::memcpy(ids->data(), text.data(), length / 4 * 4);
    else
      ids = tokenizer->encode(text, addSpecial, parseSpecial);
    encoding += std::chrono::steady_clock::now() - start;
    bytes += length;
    if (!ids)
      return fail(ids.status());
    writeNumber(ids->size());
    std::fwrite(ids->data(), 4, ids->size(), stdout);
    writeText(tokenizer->decode(*ids, false));
    writeText(tokenizer->decode(*ids, true));
  }
  std::fprintf(stderr, "encoded %zu bytes in %.3f s\n", bytes, encoding.count());
  return 0;
}
