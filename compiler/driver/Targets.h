//===- Targets.h - What `--target` means ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_TARGETS_H
#define TENON_COMPILER_DRIVER_TARGETS_H

#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace tenon::compiler {

/// A target of an engine: the chip's kind, and the instruction sets that kernels are emitted for.
struct Target {
  std::string text; ///< As the plan states it; `native` is replaced by what it stands for.
  llvm::SmallVector<engine::Variant> variants; ///< In the order of engine::Variant.
};

/// Reads `cpu` (all x86-64 variants), `cpu:native` (the best that this machine runs) or
/// `cpu:VARIANT[,VARIANT…]`. Another device kind comes with its own folder under compiler/targets.
llvm::Expected<Target> parseTarget(llvm::StringRef text);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_TARGETS_H
