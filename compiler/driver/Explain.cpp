//===- Explain.cpp - What the compiler decided and why --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Explain.h"

#include "compiler/driver/MemorySummary.h"
#include "compiler/driver/Pipeline.h"

namespace tenon::compiler {

/// Every format is kept: how many tensors and bytes of each, before and after packing.
static void explainWeights(llvm::raw_ostream &out, const frontend::Checkpoint &checkpoint) {
  struct Use {
    uint64_t tensors = 0, stored = 0, packed = 0;
  };
  std::array<Use, kNumWeightFormats> uses;
  for (const frontend::Tensor &tensor : checkpoint.tensors()) {
    if (tensor.rows == 1)
      continue;
    Use &use = uses[static_cast<size_t>(tensor.format)];
    ++use.tensors;
    use.stored += tensor.data.size();
    use.packed += packedBytes(tensor.format, tensor.rows, tensor.columns);
  }
  out << "weights: every format is kept; packing into panels moves bits and changes no value\n";
  for (uint32_t format = 0; format < kNumWeightFormats; ++format)
    if (uses[format].tensors) {
      out << "  " << formatInfo(static_cast<WeightFormat>(format)).name << ": "
          << uses[format].tensors << " matrices, ";
      if (uses[format].stored)
        out << formatBytes(uses[format].stored) << " stored, ";
      out << formatBytes(uses[format].packed) << " packed\n";
    }
}

void explain(llvm::raw_ostream &out, const mlir::tenon::FusionReport &decisions,
             const frontend::Checkpoint &checkpoint, const CompileOptions &options) {
  out << "fusion (one line for each launch of each kind of layer):\n";
  decisions.print(out);
  explainWeights(out, checkpoint);
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
