//===- PreTokenize.h - Words of byte-level BPE ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Merges never cross words. What a word is, each vocabulary states as a regular expression; these
// functions match exactly those, by hand: linear in the text for any input, and with Unicode tables
// of our own choice (UnicodeClass.h).
//
#ifndef TENON_RUNTIME_TEXT_PRETOKENIZE_H
#define TENON_RUNTIME_TEXT_PRETOKENIZE_H

#include "runtime/text/tokenizer_generated.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace tenon::text {

/// The pre-tokenizer that GGUF's `tokenizer.ggml.pre` names, if it is known.
std::optional<fb::text::PreTokenizer> preTokenizerByName(std::string_view name);

/// The known names, comma-separated, for messages.
std::string_view preTokenizerNames();

/// End of the word that starts at `begin` < text.size(). `text` is valid UTF-8.
size_t wordEnd(fb::text::PreTokenizer kind, std::string_view text, size_t begin);

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_PRETOKENIZE_H
