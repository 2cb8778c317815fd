//===- IdleOptions.h - Options that would do nothing ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_IDLEOPTIONS_H
#define TENON_COMPILER_DRIVER_IDLEOPTIONS_H

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/GridChoice.h"

namespace tenon::compiler {

/// An error that names the first option which asks for something that cannot happen with the
/// others: `grid` is what was asked for, or with `search` all chips in each layer. What asks for
/// nothing (never,
/// --no-accuracy) may always be given.
llvm::Error refuseIdleOptions(const CompileOptions &options, const GridChoice &grid, bool search);

/// Whether matrices are to be stored otherwise than in the checkpoint.
bool asksForWeights(const CompileOptions &options);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_IDLEOPTIONS_H
