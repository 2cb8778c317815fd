//===- CollectiveReport.cpp - What chips tell each other, and why ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/CollectiveReport.h"

#include "compiler/driver/Prediction.h"

#include "llvm/Support/Format.h"

namespace tenon::compiler {

using namespace mlir::plan;

static const StepShape kDecode = decodeStep(1, 1), kPrompt = promptStep(0, 512);

void explainCollectives(llvm::raw_ostream &out, EngineOp plan, const ChipsFile &chips) {
  if (const uint32_t replicas = plan.getNumReplicas(); replicas > 1)
    out << "replicas: " << replicas
        << ", each with sequences of its own; no collective crosses from one to another\n";
  if (llvm::range_size(plan.getOps<ChipOp>()) == 1)
    return;
  out << "collectives (bytes of rows and predicted time, of a decode step and of a 512-token "
         "prompt):\n";
  for (FunctionOp function : plan.getOps<FunctionOp>()) {
    uint64_t calls = 0;
    for (CallOp call : plan.getOps<CallOp>())
      calls += call.getFunction() == function.getSymName();
    ChipOp chip = plan.getChipOf(plan.getProgramOf(function));
    for (CollectiveOp op : function.getBody().getOps<CollectiveOp>()) {
      out << llvm::format("  %-14s %-16s %-14s x %-3llu %9llu B %10llu B",
                          function.getSymName().str().c_str(), op.getName().str().c_str(),
                          stringifyCollectiveKind(op.getKind()).str().c_str(),
                          static_cast<unsigned long long>(calls),
                          static_cast<unsigned long long>(collectiveBytes(plan, op, kDecode)),
                          static_cast<unsigned long long>(collectiveBytes(plan, op, kPrompt)));
      if (!chips.links.empty())
        out << llvm::format("  %9.2f us %10.2f us",
                            collectiveSeconds(plan, op, chips, chip.getId(), kDecode) * 1e6,
                            collectiveSeconds(plan, op, chips, chip.getId(), kPrompt) * 1e6);
      out << "  " << op.getCause();
      if (op.getOverlap())
        out << "; from " << *op.getOverlap() << " rows on it goes on beside "
            << op.getProduct().getName() << ", in blocks of " << *op.getBlocks()
            << " rows, between processes";
      out << "\n";
    }
  }
}

} // namespace tenon::compiler
