//===- Metrics.h - What /metrics shows --------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Under vLLM's names, labels and buckets, so that existing dashboards work, plus a few of ours.
//
#ifndef TENON_RUNTIME_SERVER_METRICS_H
#define TENON_RUNTIME_SERVER_METRICS_H

#include "runtime/engine/Plan.h"
#include "runtime/grammar/GrammarStore.h"
#include "runtime/server/EngineLoop.h"
#include "runtime/server/Roofline.h"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace tenon::server {

/// What is known of a sequence when it is over. Times in nanoseconds of the monotonic clock, 0: did
/// not happen.
struct SequenceRecord {
  uint64_t arrived = 0, started = 0, firstToken = 0, lastToken = 0, ended = 0;
  uint32_t promptTokens = 0, newTokens = 0, maxNewTokens = 0, preemptions = 0;
  const char *finishReason = "stop"; ///< stop, length, abort or error.
};

/// Thread-safe.
class Metrics {
public:
  /// `rates` are the machine's, of which each of `replicas` has its part. Several have metrics of
  /// their own, beside those of all together.
  Metrics(const std::string &modelName, const engine::Plan &plan, uint32_t maxContext,
          const MachineRates &rates, uint32_t replicas = 1);
  ~Metrics();

  void onStep(uint32_t replica, const generate::StepTimes &times, uint64_t emitNanos);
  void onRequest(uint32_t choices, uint32_t maxNewTokens);
  void onFirstToken(double seconds);
  void onNextToken(double seconds);
  void onSequenceOver(const SequenceRecord &record);
  void onRejected(const char *reason);
  void onHttp(const std::string &handler, const std::string &method, int status, double seconds);

  /// The text exposition format. `loads`, by replica, are what the gauges show.
  std::string text(std::span<const Load> loads, const grammar::GrammarStore::Stats &grammars);

private:
  struct Families;
  std::unique_ptr<Families> families;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_METRICS_H
