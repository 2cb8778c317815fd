//===- PlanReport.h - A plan for people and for tools -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_PLANREPORT_H
#define TENON_COMPILER_DRIVER_PLANREPORT_H

#include "compiler/driver/MemorySummary.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon::compiler {

/// Memory of each chip, the formulas behind it, and a row for every launch with its cost.
void printPlan(llvm::raw_ostream &out, mlir::plan::EngineOp engine,
               llvm::ArrayRef<MemorySummary> memory);

/// The same as one JSON object: "model", "limits", "memory", "formulas", "launches".
llvm::json::Object planAsJson(mlir::plan::EngineOp engine, llvm::ArrayRef<MemorySummary> memory);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_PLANREPORT_H
