//===- Overlap.h - Collectives beside which chips compute -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_OVERLAP_H
#define TENON_COMPILER_DRIVER_OVERLAP_H

#include "compiler/driver/ChipsFile.h"
#include "compiler/driver/Prediction.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tenon::compiler {

/// Seconds that a collective adds to a step in which its product would take `seconds(step)` alone,
/// by the rows of the step, and it `alone` itself, of which the part `beside` (Link::overlap) goes
/// on while the chip computes. In k blocks the product takes P, and the rows travel beside all of
/// it but a block (Overlap in plan.fbs): what is left is
///   P - seconds(step) + (1 - beside) alone + max(0, beside alone - P (k - 1)/k)
/// The collective's own time where the step is smaller than its `overlap`, or it has none.
double exposedSeconds(mlir::plan::CollectiveOp op, const StepShape &step, uint32_t chips,
                      double alone, double beside,
                      llvm::function_ref<double(mlir::plan::LaunchOp, const StepShape &)> seconds);

/// Marks the collectives beside which computing is predicted to pay by a thousandth of a step or
/// more, from as many rows on as it does and in the blocks that are the quickest at 512 rows.
/// `plan` comes from `--tenon-own-rows`; without links that say how much goes on beside the chips
/// nothing is marked.
void overlapWhereItPays(mlir::plan::EngineOp plan, const ChipsFile &chips);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_OVERLAP_H
