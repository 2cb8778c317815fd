//===- CollectiveReport.h - What chips tell each other, and why -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_COLLECTIVEREPORT_H
#define TENON_COMPILER_DRIVER_COLLECTIVEREPORT_H

#include "compiler/driver/ChipsFile.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/Support/raw_ostream.h"

namespace tenon::compiler {

/// One line for each collective of each program: bytes of rows in a decode step and in a prompt of
/// 512 tokens, how often a step has it, why it is there and, if `chips` has links, the time that it
/// is predicted to take. Prints nothing for one chip.
void explainCollectives(llvm::raw_ostream &out, mlir::plan::EngineOp plan, const ChipsFile &chips);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_COLLECTIVEREPORT_H
