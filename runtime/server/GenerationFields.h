//===- GenerationFields.h - How a client wants its tokens drawn -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_GENERATIONFIELDS_H
#define TENON_RUNTIME_SERVER_GENERATIONFIELDS_H

#include "runtime/grammar/Constraint.h"
#include "runtime/sample/Sampler.h"
#include "runtime/server/RequestFields.h"
#include "runtime/server/ServerOptions.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::server {

struct ModelFacts;

/// The fields that chat, completions and responses share.
struct GenerationFields {
  sample::SamplingParams sampling;
  uint32_t n = 1;
  std::optional<uint32_t> maxNewTokens;
  uint32_t minNewTokens = 0;
  std::vector<std::string> stop;
  std::vector<int32_t> stopTokenIds;
  bool ignoreEos = false;
  bool skipSpecial = true;
  int32_t priority = 0;
  bool stream = false, includeUsage = false;
  /// Log-probabilities of the prompt's tokens, with this many alternatives.
  std::optional<uint32_t> promptLogprobs;
  std::optional<grammar::Constraint> constraint; ///< What form the answer must have, ...
  std::string constraintField;                   ///< ... and the field that says so.
};

/// Refuses a request that names no model, or another than the one that is served.
void checkModel(RequestFields &fields, const ModelFacts &model);

/// Checks `model`, then reads the shared fields. Without "seed" one is drawn. Errors are left in
/// `fields`.
void readGenerationFields(RequestFields &fields, const Limits &limits, const ModelFacts &model,
                          GenerationFields &into);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_GENERATIONFIELDS_H
