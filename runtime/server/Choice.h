//===- Choice.h - One sequence's answer as it grows -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_CHOICE_H
#define TENON_RUNTIME_SERVER_CHOICE_H

#include "runtime/server/Mailbox.h"
#include "runtime/server/StopStrings.h"
#include "runtime/text/Tokenizer.h"

#include <string>
#include <vector>

namespace tenon::server {

/// A token with its log-probability and the best alternatives.
struct TokenDetail {
  int32_t id = 0;
  float logprob = 0;
  size_t textOffset = 0; ///< Bytes of the answer before it.
  std::vector<sample::TokenLogprob> alternatives;
};

/// Turns a sequence's events into text. Used on one I/O thread.
class Choice {
public:
  struct Options {
    std::vector<std::string> stop;
    uint32_t minNewTokens = 0; ///< Stop strings do not count before.
    bool skipSpecial = true;
    bool keepTokens = false; ///< Collect `details`.
  };
  Choice(const text::Tokenizer &tokenizer, Options options);

  enum class End : uint8_t { None, Stop, Length };

  /// Takes an event of kind Token. Returns true if the sequence is to be ended by the caller,
  /// because a stop string was found while the engine goes on. Events after the end are ignored.
  bool take(SequenceEvent &event);

  /// New text since the last call.
  std::string takeDelta();
  bool hasNews() const { return !delta.empty() || reported < details.size(); }

  /// Details not yet returned by this.
  std::vector<TokenDetail> takeDetails();

  End end() const { return ended; }
  const char *endName() const { return ended == End::Length ? "length" : "stop"; }
  uint32_t tokens() const { return count; } ///< Drawn, a stop token included.

  std::vector<TokenDetail> prompt; ///< From prompt events, from the second prompt token on.
  std::vector<uint32_t> promptRanks;
  bool announced = false; ///< For the format: the choice's first chunk was written.
  bool closed = false;    ///< For the format: its last chunk was written.

private:
  text::DecodeStream stream;
  StopStrings stops;
  const Options options;
  std::string delta;
  size_t written = 0; ///< Bytes given out.
  std::vector<TokenDetail> details;
  size_t reported = 0;
  uint32_t count = 0;
  End ended = End::None;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_CHOICE_H
