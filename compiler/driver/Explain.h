//===- Explain.h - What the compiler decided and why ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_EXPLAIN_H
#define TENON_COMPILER_DRIVER_EXPLAIN_H

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/WeightUse.h"
#include "frontends/Checkpoint.h"
#include "passes/fuse/Explain.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon::compiler {

/// What was fused, kept and rejected, how weights are stored, and which defaults were chosen.
void explain(llvm::raw_ostream &out, const mlir::tenon::FusionReport &decisions,
             llvm::ArrayRef<WeightUse> weights, const frontend::Checkpoint &checkpoint,
             const CompileOptions &options);

/// The fuse stage's decisions: [{"verdict", "function", "pass", "text"}].
llvm::json::Array explainAsJson(const mlir::tenon::FusionReport &decisions);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_EXPLAIN_H
