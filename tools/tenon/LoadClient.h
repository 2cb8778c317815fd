//===- LoadClient.h - Asks a server and watches the clock -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_LOADCLIENT_H
#define TENON_TOOLS_TENON_LOADCLIENT_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::tool {

/// A request of a load: a prompt of random ids, or of text, after a beginning that all share.
struct LoadRequest {
  double atSeconds = 0; ///< When it is sent, from the start; closed loops ignore it.
  uint32_t promptTokens = 0, newTokens = 0;
};

struct LoadPlan {
  std::string host = "127.0.0.1", path = "/v1/completions", model, apiKey;
  uint16_t port = 8000;
  std::vector<LoadRequest> requests;
  uint32_t clients = 16; ///< Closed loop: each asks again once it is answered. 0: open loop.
  uint32_t sharedPrefix = 0;
  uint32_t vocabulary = 1000; ///< Ids are drawn from 100 to 100 + this.
  /// Prompts are pieces of this text instead, which no prompt may be longer than: each from a
  /// random place, behind the text's beginning if there is a shared prefix.
  std::vector<uint32_t> text;
  uint64_t seed = 0;
  /// More fields of a request's body, as JSON text without the braces; they win over the plan's
  /// own.
  std::string moreFields;
  /// Prompts are text of common English words, about one token each, for servers that take no ids.
  bool words = false;
};

/// What became of a request. Times in seconds from its sending.
struct LoadResult {
  bool good = false;
  int status = 0;  ///< Of HTTP; 0: the connection failed.
  double sent = 0; ///< From the start.
  double first = 0, last = 0;
  uint32_t tokens = 0;        ///< As the server counts them.
  uint32_t cachedTokens = 0;  ///< Of the prompt.
  uint32_t events = 0;        ///< With text.
  std::vector<float> between; ///< Between events with text.
  std::string error;
};

/// Runs the plan on one thread. `seconds` is from the first sending to the last byte. NotFound if
/// nothing listens there.
StatusOr<std::vector<LoadResult>> runLoad(const LoadPlan &plan, double &seconds);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_LOADCLIENT_H
