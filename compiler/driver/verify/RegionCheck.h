//===- RegionCheck.h - Emitted kernels against the reference ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What `--verify` does: every kernel of the plan runs in this process on sampled steps, and what it
// writes is compared with the reference evaluation of the fused region that it was made from.
//
#ifndef TENON_COMPILER_DRIVER_VERIFY_REGIONCHECK_H
#define TENON_COMPILER_DRIVER_VERIFY_REGIONCHECK_H

#include "compiler/driver/KernelEmission.h"
#include "compiler/driver/Progress.h"
#include "compiler/driver/verify/StoredWeights.h"
#include "dialects/plan/PlanDialect.h"
#include "frontends/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <optional>

namespace tenon::compiler {

/// What was found for one region, over all variants that this machine runs.
struct RegionCheck {
  std::string region; ///< "layer_0.ffn_down".
  std::string kernel; ///< Symbol of its kernel.
  double maxAbsError = 0;
  double maxRelError = 0; ///< Relative to the largest magnitude of the reference's result.
  double tolerance = 0;   ///< Most that maxRelError may be.
  uint32_t samples = 0;   ///< Steps compared, times variants.
  std::string worst;      ///< Variant and sample of the largest error.
  bool passed() const { return maxRelError <= tolerance; }
};

/// Checks one region of each kernel. Deterministic. Fails if no variant runs on this machine, or a
/// region cannot be evaluated. Weights are the very ones that the engine stores.
llvm::Expected<std::vector<RegionCheck>>
checkRegions(mlir::ModuleOp module, mlir::plan::EngineOp plan,
             const frontend::Checkpoint &checkpoint, const StoredWeights &stored,
             llvm::ArrayRef<KernelObject> objects, Progress &progress);

/// Names the regions that differ, with their errors; empty if none does.
std::string describeDiffering(llvm::ArrayRef<RegionCheck> checks);

llvm::json::Object checkAsJson(const RegionCheck &check);

/// The certificate section: the checks as JSON, and the KL of the logits on several chips to those
/// on one, if that was found.
std::string certificate(llvm::ArrayRef<RegionCheck> checks, std::optional<double> meanKl);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_REGIONCHECK_H
