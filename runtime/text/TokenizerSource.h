//===- TokenizerSource.h - What a tokenizer section is made of --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The compiler's side of the tokenizer: a checkpoint's tokenizer metadata goes in, the bytes of the
// engine's tokenizer section come out. Every table that the runtime needs is built here, so that
// loading builds nothing.
//
#ifndef TENON_RUNTIME_TEXT_TOKENIZERSOURCE_H
#define TENON_RUNTIME_TEXT_TOKENIZERSOURCE_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::text {

/// Tokenizer metadata as a GGUF file states it (keys `tokenizer.ggml.*`).
struct TokenizerSource {
  std::string model;               ///< "gpt2" (byte-level BPE) or "llama" (SentencePiece).
  std::string preTokenizer;        ///< `tokenizer.ggml.pre`; only byte-level BPE reads it.
  std::vector<std::string> tokens; ///< Pieces; the index is the id.
  std::vector<float> scores;       ///< Per token; SentencePiece needs them.
  std::vector<int32_t> types;      ///< Per token (1 normal, 2 unknown, 3 control, 4 user-defined,
                                   ///< 5 unused, 6 byte). Empty: all normal.
  std::vector<std::string> merges; ///< "left right", best first; byte-level BPE needs them.
  int32_t bos = -1, eos = -1, unknown = -1, padding = -1; ///< -1: none.
  std::vector<int32_t> extraEos;                          ///< Further ids that end a generation.
  bool addBos = false, addEos = false, addSpacePrefix = false;
};

/// Builds the tokenizer section (runtime/text/tokenizer.fbs). Equal sources give equal bytes.
/// Errors name the field and the entry at fault: an unknown model or pre-tokenizer (with the known
/// ones), lengths that disagree, ids outside the vocabulary, merges whose parts or result are not
/// tokens.
StatusOr<std::vector<uint8_t>> buildTokenizerSection(const TokenizerSource &source);

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_TOKENIZERSOURCE_H
