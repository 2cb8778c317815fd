//===- PredictionTable.cpp - Predicted times that travel with an engine ---===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/PredictionTable.h"

#include "compiler/driver/Prediction.h"

namespace tenon::compiler {

llvm::json::Object predictionTable(mlir::plan::EngineOp plan, const ChipsFile &chips) {
  const uint64_t longest = plan.getLimits().getMaxContext();
  llvm::json::Array decode, prefill;
  for (uint64_t sequences : {1, 2, 4, 8, 16, 32, 64}) {
    llvm::json::Array contexts, micros;
    for (uint64_t context = 1; context <= longest; context *= 2) {
      contexts.push_back(context);
      micros.push_back(predictDecode(plan, chips, sequences, context) * 1e6);
    }
    decode.push_back(llvm::json::Object{
        {"sequences", sequences}, {"context", std::move(contexts)}, {"us", std::move(micros)}});
  }
  for (uint64_t sequences : {1, 4, 16})
    for (uint64_t tokens = 64; tokens <= std::min<uint64_t>(longest, 8192); tokens *= 2)
      prefill.push_back(
          llvm::json::Object{{"sequences", sequences},
                             {"tokens", tokens},
                             {"us", predictPrompts(plan, chips, sequences, tokens) * 1e6}});
  return llvm::json::Object{
      {"chips", chips.name}, {"decode", std::move(decode)}, {"prefill", std::move(prefill)}};
}

} // namespace tenon::compiler
