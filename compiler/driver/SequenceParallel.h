//===- SequenceParallel.h - From how many rows on chips share them --------===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_SEQUENCEPARALLEL_H
#define TENON_COMPILER_DRIVER_SEQUENCEPARALLEL_H

#include "compiler/driver/ChipsFile.h"
#include "dialects/plan/PlanDialect.h"

#include <cstdint>
#include <string>

namespace tenon::compiler {

/// Rows of a step from which on `--tenon-own-rows` pays by the chips' figures, for every larger
/// step that was looked at too (up to 2048 rows); 0 if it never does by as much as a hundredth.
/// `plan` comes from
/// `--tenon-own-rows=from=1`.
uint32_t rowsThatPay(mlir::plan::EngineOp plan, const ChipsFile &chips);

/// Changes what `--tenon-own-rows` has made to begin with steps of `from` rows, or takes it back
/// for 0. Places in memory are still open.
void shareRowsFrom(mlir::plan::EngineOp plan, uint32_t from);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_SEQUENCEPARALLEL_H
