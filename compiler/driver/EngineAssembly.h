//===- EngineAssembly.h - Plan, kernels and weights to a file ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_ENGINEASSEMBLY_H
#define TENON_COMPILER_DRIVER_ENGINEASSEMBLY_H

#include "compiler/driver/ChipsFile.h"
#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/Progress.h"
#include "compiler/driver/StageTimer.h"
#include "compiler/driver/Targets.h"
#include "compiler/driver/accuracy/AccuracyCheck.h"
#include "compiler/driver/verify/RegionCheck.h"
#include "compiler/pack/InputSource.h"
#include "dialects/plan/PlanDialect.h"
#include "frontends/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <optional>

namespace tenon::compiler {

/// What an engine is made from. `module` is the fused module that `plan` was lowered from, `whole`
/// null or the model on one chip that --verify compares the chips with.
struct AssemblyRequest {
  const CompileOptions &options;
  const frontend::Checkpoint &checkpoint;
  const Target &target;
  mlir::ModuleOp module;
  mlir::plan::EngineOp plan;
  /// If set: given the path of an engine that is complete but for its card; what it finds goes into
  /// the card.
  std::function<llvm::Expected<AccuracyReport>(const std::string &draft)> measure;
  mlir::ModuleOp whole;
  const ChipsFile *chips = nullptr; ///< If it describes chips, the card gets its predictions.
  InputSource *inputs =
      nullptr; ///< If set: what is known of the inputs of matrices that are rounded.
};

struct AssemblyResult {
  uint64_t bytes = 0;              ///< Of the engine.
  std::vector<RegionCheck> checks; ///< With --verify.
  std::string differing;           ///< Names the regions that differ; then nothing was written.
  std::optional<AccuracyReport> accuracy; ///< What `measure` found.
};

/// Emits kernels while weights are packed, verifies if that was asked for, and writes the engine.
/// Adds the checks to the plan.
llvm::Expected<AssemblyResult> assembleEngine(const AssemblyRequest &request, StageTimer &timer,
                                              Progress &progress);

/// Name of a variant as a JSON string.
std::string variantText(engine::Variant variant);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_ENGINEASSEMBLY_H
