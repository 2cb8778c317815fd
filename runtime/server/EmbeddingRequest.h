//===- EmbeddingRequest.h - Vectors for the texts of a request --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_EMBEDDINGREQUEST_H
#define TENON_RUNTIME_SERVER_EMBEDDINGREQUEST_H

#include "runtime/server/EngineLoop.h"
#include "runtime/server/HttpMessage.h"
#include "runtime/server/Services.h"

#include <memory>
#include <vector>

namespace tenon::server {

struct ApiError;

struct EmbeddingPlan {
  std::vector<std::vector<int32_t>> prompts; ///< Each fits the context.
  generate::Pooling pooling = generate::Pooling::Last;
  uint32_t dimensions = 0; ///< 0: all.
  bool normalise = true;
  bool base64 = false; ///< Little-endian f32, instead of numbers.
  int32_t priority = 0;
};

/// One request while it is computed: as many prompts at a time as a request may have sequences.
/// Lives on its connection's I/O thread.
class EmbeddingRequest : public Receiver, public std::enable_shared_from_this<EmbeddingRequest> {
public:
  /// Admits and submits; answers with an error where that fails.
  static void start(Services &services, const RequestPtr &request, const ResponderPtr &responder,
                    EmbeddingPlan plan);

  EmbeddingRequest(Services &services, RequestPtr request, ResponderPtr responder,
                   EmbeddingPlan plan);

  void onEvent(SequenceEvent &event) override;
  void onBatchEnd() override;

private:
  void submitNext();
  void onGone();
  void fail(const ApiError &error);
  void finish();
  void over(uint32_t prompt, const SequenceEvent *event, const char *reason);

  Services &services;
  const RequestPtr request;
  const ResponderPtr responder;
  const EmbeddingPlan plan;
  std::vector<std::vector<float>> vectors; ///< Of each prompt; empty until it is known.
  std::shared_ptr<Job> job;                ///< Null when nothing of it is being computed.
  uint32_t first = 0, end = 0;             ///< Prompts of the job.
  uint32_t left = 0;                       ///< Of them, those that are not over.
  uint64_t promptTokens = 0, cachedTokens = 0;
  bool done = false;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_EMBEDDINGREQUEST_H
