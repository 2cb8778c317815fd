//===- Explain.cpp - What the compiler decided and why --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Explain.h"

#include "compiler/driver/Pipeline.h"

namespace tenon::compiler {

void explain(llvm::raw_ostream &out, const mlir::tenon::FusionReport &decisions,
             llvm::ArrayRef<WeightUse> weights, const frontend::Checkpoint &checkpoint,
             const CompileOptions &options) {
  out << "cuts and fusion (one line for each launch of each kind of layer, in each program of "
         "chips):\n";
  decisions.print(out);
  out << (changesWeights(weights)
              ? "weights: rounded to other formats as they are packed into panels\n"
              : "weights: every format is kept; packing into panels moves bits and changes no "
                "value\n");
  printWeightUses(out, weights);
  const uint64_t made = checkpoint.config().contextLength;
  if (options.maxContext == 0 && made > kDefaultMaxContext)
    out << "context: " << kDefaultMaxContext << " of the " << made
        << " positions that the model was made for; --max-context changes it\n";
}

llvm::json::Array explainAsJson(const mlir::tenon::FusionReport &decisions) {
  llvm::json::Array list;
  for (const mlir::tenon::FusionDecision &decision : decisions.decisions())
    list.push_back(llvm::json::Object{{"verdict", mlir::tenon::stringifyVerdict(decision.verdict)},
                                      {"function", decision.function},
                                      {"pass", decision.pass},
                                      {"text", decision.text}});
  return list;
}

} // namespace tenon::compiler
