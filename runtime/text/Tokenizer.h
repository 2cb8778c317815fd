//===- Tokenizer.h - Text to ids and back -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Byte-level BPE and SentencePiece BPE over a prebuilt, mapped section. Ids equal those of Hugging
// Face's `tokenizers` for the same vocabulary.
//
#ifndef TENON_RUNTIME_TEXT_TOKENIZER_H
#define TENON_RUNTIME_TEXT_TOKENIZER_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::text {

struct TokenizerTables;

/// A loaded tokenizer. Immutable: any number of threads may use one at a time. Cheap to copy.
class Tokenizer {
public:
  /// Longest text that encode() takes, in bytes. All internal offsets fit 32 bits below it.
  static constexpr size_t kMaxTextBytes = size_t(256) << 20;

  /// Checks every byte of structure in `section` (runtime/text/tokenizer.fbs) and refers to it from
  /// then on: the memory must outlive the tokenizer and all its copies, and be 8-byte aligned.
  /// Builds no tables. A section that is truncated, flipped or lies about itself is a DataLoss that
  /// names the field; one from a newer schema is Unsupported.
  static StatusOr<Tokenizer> load(std::span<const uint8_t> section);

  /// Ids of `text`. Invalid UTF-8 counts as U+FFFD, one for each maximal invalid part (as the
  /// Unicode standard recommends and Python's errors="replace" does). `addSpecial`: add BOS/EOS as
  /// the tokenizer's own settings say. `parseSpecial`: control tokens spelled out in the text
  /// become their ids. Without it their spelling is ordinary text (for untrusted input);
  /// user-defined tokens are recognised either way. Takes O(n log n) time for any text. Fails only
  /// when the text is longer than kMaxTextBytes.
  StatusOr<std::vector<int32_t>> encode(std::string_view text, bool addSpecial,
                                        bool parseSpecial = true) const;

  /// Text of `ids`, always valid UTF-8: bytes that form none become U+FFFD. `skipSpecial` leaves
  /// control tokens out. An id outside the vocabulary decodes to nothing.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial) const;

  /// The bytes that one token stands for (may be part of a UTF-8 sequence); empty for an id outside
  /// the vocabulary. SentencePiece's U+2581 is already a space. Valid as long as the section.
  std::string_view tokenBytes(int32_t id) const;

  /// The piece as the checkpoint spells it; valid as long as the section.
  std::string_view tokenPiece(int32_t id) const;

  /// The id of a piece as the checkpoint spells it (for example "<|im_end|>"), if it is one.
  std::optional<int32_t> findPiece(std::string_view piece) const;

  int32_t bos() const;     ///< -1: the model has none.
  int32_t eos() const;     ///< -1: the model has none.
  int32_t padding() const; ///< -1: the model has none.
  bool addsBos() const;
  bool addsEos() const;
  bool isSpecial(int32_t id) const;         ///< A control token: decode(…, true) leaves it out.
  bool isEndOfGeneration(int32_t id) const; ///< EOS or one of the further ids that end an answer.
  int32_t vocabularySize() const;

private:
  friend class DecodeStream;
  explicit Tokenizer(std::shared_ptr<const TokenizerTables> t) : tables(std::move(t)) {}
  std::shared_ptr<const TokenizerTables> tables;
};

/// Decodes ids one at a time for streaming. Every piece returned is complete UTF-8; a sequence that
/// is still incomplete is held back until the next id or finish(). Joined, the pieces equal
/// decode() of all ids, but for SentencePiece byte tokens that form no valid UTF-8: decode() judges
/// their whole run at once, as Hugging Face does, a stream each code point by itself.
class DecodeStream {
public:
  DecodeStream(const Tokenizer &tokenizer, bool skipSpecial);

  /// Text that `id` completes; often empty in the middle of a character. Valid until the next call.
  std::string_view push(int32_t id);

  /// What is held back, with U+FFFD for what is no UTF-8. The stream is fresh afterwards.
  std::string_view finish();

private:
  Tokenizer tokenizer;
  bool skipSpecial;
  bool atStart = true; // Nothing was emitted or held yet (leading-space rule).
  std::string pending; // Bytes of an incomplete sequence, at most 3.
  std::string ready;
};

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_TOKENIZER_H
