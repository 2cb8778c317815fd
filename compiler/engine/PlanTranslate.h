//===- PlanTranslate.h - plan dialect to FlatBuffer and back ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Both directions are exact: plan -> bytes -> plan gives the same text, and equal plans give equal
// bytes.
//
#ifndef TENON_COMPILER_ENGINE_PLANTRANSLATE_H
#define TENON_COMPILER_ENGINE_PLANTRANSLATE_H

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// The FlatBuffer of runtime/engine/plan.fbs for a plan that its verifiers accept.
std::vector<uint8_t> planToFlatBuffer(mlir::plan::EngineOp engine);

/// The plan that `bytes` hold. Nothing in `bytes` is believed before the FlatBuffers verifier and
/// bounds checks have run; the result has passed the dialect's verifiers. Errors say which table
/// and why.
llvm::Expected<mlir::OwningOpRef<mlir::plan::EngineOp>>
planFromFlatBuffer(llvm::ArrayRef<uint8_t> bytes, mlir::MLIRContext *context);

/// The plan as people read it (section PlanText).
std::string planToText(mlir::plan::EngineOp engine);

/// Registers `--plan-to-flatbuffer` and `--flatbuffer-to-plan` with a translation tool.
void registerPlanTranslations();

} // namespace tenon::compiler

#endif // TENON_COMPILER_ENGINE_PLANTRANSLATE_H
