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
#include <string>

namespace tenon::server {

/// What is known of a sequence when it is over. Times in nanoseconds of the monotonic clock, 0: did
/// not happen.
struct SequenceRecord {
  uint64_t arrived = 0, started = 0, firstToken = 0, lastToken = 0, ended = 0;
  uint32_t promptTokens = 0, newTokens = 0, maxNewTokens = 0, preemptions = 0;
  const char *finishReason = "stop"; ///< stop, length, abort or error.
};

/// Thread-safe, but onStep() is for one thread.
class Metrics : public StepObserver {
public:
  Metrics(const std::string &modelName, const engine::Plan &plan, uint32_t maxContext,
          const MachineRates &rates);
  ~Metrics() override;

  void onStep(const generate::StepTimes &times, uint64_t emitNanos) override;
  void onRequest(uint32_t choices, uint32_t maxNewTokens);
  void onFirstToken(double seconds);
  void onNextToken(double seconds);
  void onSequenceOver(const SequenceRecord &record);
  void onRejected(const char *reason);
  void onHttp(const std::string &handler, const std::string &method, int status, double seconds);

  /// The text exposition format. `load` is what the gauges show.
  std::string text(const Load &load, const grammar::GrammarStore::Stats &grammars);

private:
  struct Families;
  std::unique_ptr<Families> families;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_METRICS_H
