//===- PredictionTable.h - Predicted times that travel with an engine -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_PREDICTIONTABLE_H
#define TENON_COMPILER_DRIVER_PREDICTIONTABLE_H

#include "compiler/driver/ChipsFile.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/Support/JSON.h"

namespace tenon::compiler {

/// What the chips file says of steps that people measure, so that `tenon bench` can put its figures
/// beside it:
///   {"chips": name, "decode": [{"sequences", "context": [..], "us": [..]}..],
///    "prefill": [{"tokens", "us"}..]}
/// Decode steps by positions in the cache of each sequence, up to the plan's longest context;
/// prompts of one sequence in steps of the default size. Times are through all stages, of the chips
/// alone.
llvm::json::Object predictionTable(mlir::plan::EngineOp plan, const ChipsFile &chips);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_PREDICTIONTABLE_H
