//===- Pipeline.h - From a checkpoint to a verified plan --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The compiler's stages without the file that comes out: import, shard, fuse, lower, memory,
// barriers, check. Reads no weight data.
//
#ifndef TENON_COMPILER_DRIVER_PIPELINE_H
#define TENON_COMPILER_DRIVER_PIPELINE_H

#include "compiler/driver/ChipsFile.h"
#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/GridChoice.h"
#include "compiler/driver/StageTimer.h"
#include "dialects/plan/PlanDialect.h"
#include "frontends/Checkpoint.h"
#include "passes/fuse/Explain.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace tenon::compiler {

/// What a checkpoint has become.
struct Compiled {
  std::unique_ptr<mlir::tenon::FusionReport>
      decisions; ///< Null without --explain. Outlives the context.
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< After the fuse stage.
  /// The model on one chip after the fuse stage, if --verify is to compare several chips with it.
  mlir::OwningOpRef<mlir::ModuleOp> whole;
  mlir::OwningOpRef<mlir::plan::EngineOp> plan;
};

/// Runs the stages for the chips of `grid`. `dump` is given the IR after each stage by name
/// ("import", "shard" where there are several chips, "fuse", "memory", "plan") and says whether to
/// go on; when it says no, the result has no plan. `chips` says from when on chips gain by rows of
/// their own (--sequence-parallel auto); without links they are taken to be of one process.
llvm::Expected<Compiled>
runPipeline(const frontend::Checkpoint &checkpoint, const CompileOptions &options,
            const GridChoice &grid, llvm::StringRef target, StageTimer &timer,
            llvm::function_ref<bool(llvm::StringRef stage, mlir::Operation *ir)> dump,
            const ChipsFile &chips = {});

/// The context that a plan gets when --max-context does not say: that of the checkpoint, but no
/// more than this, because the KV cache holds one whole sequence by default.
inline constexpr uint64_t kDefaultMaxContext = 8192;

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_PIPELINE_H
