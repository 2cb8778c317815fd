//===- ServerOptions.h - What the operator decides --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_SERVEROPTIONS_H
#define TENON_RUNTIME_SERVER_SERVEROPTIONS_H

#include "runtime/grammar/Constraint.h"
#include "runtime/server/Roofline.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::server {

/// Bounds on what a client can make the server hold or do. Beyond one, the client gets an error
/// that names it, and the server goes on.
struct Limits {
  size_t headerBytes = size_t(32) << 10;
  size_t bodyBytes = size_t(4) << 20;
  uint32_t jsonDepth = 96;
  uint32_t choices = 16;           ///< `n`.
  uint32_t fanOut = 64;            ///< Sequences of one request: prompts times n.
  uint32_t embeddingInputs = 2048; ///< Of one request; computed `fanOut` at a time.
  uint32_t stopStrings = 16;       ///< The reference API has 4.
  uint32_t stopCharacters = 256;   ///< Of one stop string.
  uint32_t stopTokenIds = 64;
  uint32_t logitBias = 1024; ///< Entries.
  uint32_t topLogprobs = 20;
  uint32_t messages = 4096;
  uint32_t tools = 128;
  uint32_t connections = 4096;
  grammar::Limits grammar;
  size_t unsentBytes = size_t(1) << 20; ///< Of a stream whose reader is slow; then it is cut.
};

/// In milliseconds.
struct Timeouts {
  uint32_t idle = 75'000;   ///< Between requests of a connection.
  uint32_t header = 10'000; ///< From a request's first byte to the end of its header.
  uint32_t body = 60'000;   ///< From there to the end of its body.
  uint32_t write = 30'000;  ///< Without the client taking a byte.
  uint32_t drain = 30'000;  ///< For running requests after SIGTERM.
  uint32_t request = 0;     ///< From arrival to the last token; 0: none.
};

enum class LogFormat : uint8_t { Off, Text, Json };

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8000;             ///< 0: the system chooses one.
  std::string modelName;            ///< What clients call it.
  std::vector<std::string> apiKeys; ///< Empty: everybody may.
  bool openMetrics = false;         ///< /metrics needs no key.
  uint32_t ioThreads = 1;
  uint32_t queue = 512; ///< Requests waiting at most, of all replicas.
  /// A request goes where most of its beginning is cached, unless that replica has so many
  /// sequences more than another.
  uint32_t replicaSlack = 4;
  uint32_t clientRequests = 0; ///< In progress for each client at most; 0: any number.
  uint32_t maxTtftMs =
      0;                ///< Refuse what would wait longer than this for its first token; 0: never.
  uint32_t stepMs = 75; ///< Of a step that several requests wait for; 0: any.
  bool audit = false;   ///< Check the conservation of KV blocks after every step.
  bool prefixTree = true;
  bool logPrompts = false;
  LogFormat log = LogFormat::Text;
  uint32_t grammarMs = 10'000;           ///< Processor time for compiling one grammar.
  size_t grammarBytes = size_t(1) << 30; ///< Memory for that.
  size_t grammarCacheBytes = size_t(128) << 20;
  bool prepareGrammars = true; ///< Make the vocabulary's tables once the server listens, not with
                               ///< the first constraint.
  Limits limits;
  Timeouts timeouts;
  MachineRates machine; ///< For tenon:roofline_share; may be unknown.
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_SERVEROPTIONS_H
