//===- Generation.h - From a read request to its answer ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What chat, completions and responses share once their fields are read: lengths, admission, the
// job, events, stop strings, metrics, the end. How the answer is worded is an AnswerFormat's.
//
#ifndef TENON_RUNTIME_SERVER_GENERATION_H
#define TENON_RUNTIME_SERVER_GENERATION_H

#include "runtime/grammar/GrammarStore.h"
#include "runtime/server/AnswerFormat.h"
#include "runtime/server/EngineLoop.h"
#include "runtime/server/GenerationFields.h"
#include "runtime/server/HttpMessage.h"
#include "runtime/server/Services.h"

#include <memory>
#include <vector>

namespace tenon::server {

struct GenerationPlan {
  GenerationFields fields;
  std::vector<std::vector<int32_t>> prompts;
  const char *promptField = "messages"; ///< What errors about the prompt's length name.
  bool scoreOnly =
      false; ///< Nothing is generated: the prompt is echoed with its log-probabilities.
  std::unique_ptr<AnswerFormat> format;
};

/// One request while it is computed. Lives on its connection's I/O thread.
class Generation : public Receiver, public std::enable_shared_from_this<Generation> {
public:
  /// Checks, admits and submits; answers with an error where one of these fails.
  static void start(Services &services, const RequestPtr &request, const ResponderPtr &responder,
                    GenerationPlan plan);

  Generation(Services &services, RequestPtr request, ResponderPtr responder, GenerationPlan plan);

  void onEvent(SequenceEvent &event) override;
  void onBatchEnd() override;

private:
  bool checkLengths();
  std::shared_ptr<Job> makeJob() const;
  void findGrammar();
  void takeGrammar(StatusOr<grammar::GrammarPtr> found);
  void submit();
  void onGone();
  void failWith(const ApiError &error);
  void finish();
  void over(uint32_t sequence, const char *reason);

  /// Times of a sequence, for metrics.
  struct Times {
    uint64_t started = 0, first = 0, last = 0;
    uint32_t preemptions = 0;
    bool over = false;
  };

  Services &services;
  const RequestPtr request;
  const ResponderPtr responder;
  GenerationPlan plan;
  std::vector<Choice> choices; ///< Prompt p's choice c is number p * n + c.
  std::vector<Times> times;
  grammar::GrammarPtr grammar; ///< Null: any text.
  std::shared_ptr<Job> job;    ///< Null once over: it keeps this object while it is computed.
  Usage usage;
  uint32_t left = 0; ///< Choices not over.
  bool streaming = false, done = false;
  std::string out;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_GENERATION_H
