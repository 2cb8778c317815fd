//===- WeightStream.h - Weights from a checkpoint to an engine --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_ENGINE_WEIGHTSTREAM_H
#define TENON_COMPILER_ENGINE_WEIGHTSTREAM_H

#include "compiler/engine/EngineWriter.h"
#include "compiler/pack/InputSource.h"
#include "dialects/plan/PlanDialect.h"
#include "frontends/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tenon::compiler {

/// Told after each tensor how many bytes of how many are written.
using WeightProgress = llvm::function_ref<void(uint64_t done, uint64_t all)>;

/// Writes the weights section of every chip: each stored `plan.weight` of the chip's program at its
/// offset, packed from the chip's part of the checkpoint's tensor, or from the value that its
/// `tenon.weight` in `module` carries. Rounds by `inputs` where they are known (may be null). Holds
/// a few megabytes at a time. Gives the checkpoint's pages back to the system as it goes.
llvm::Error writeWeights(EngineWriter &writer, mlir::plan::EngineOp plan, mlir::ModuleOp module,
                         const frontend::Checkpoint &checkpoint, InputSource *inputs,
                         WeightProgress progress);

} // namespace tenon::compiler

#endif // TENON_COMPILER_ENGINE_WEIGHTSTREAM_H
