//===- Object.h - LLVM IR to machine code -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_OBJECT_H
#define TENON_COMPILER_TARGETS_CPU_OBJECT_H

#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Module;
}

namespace tenon::cpu {

/// Optimises `module` in place and compiles it for `variant`: a relocatable object, or assembly
/// text. No fast-math anywhere: the order of floating-point operations is part of what a kernel
/// promises.
llvm::Expected<llvm::SmallVector<char, 0>> compileObject(llvm::Module &module,
                                                         engine::Variant variant, bool assembly);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_OBJECT_H
