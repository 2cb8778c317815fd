//===- Codegen.h - Kernel specs to a shared object --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_CODEGEN_H
#define TENON_COMPILER_TARGETS_CPU_CODEGEN_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// Bytes of an ELF shared object that exports `symbols[i]` as the KernelFn
/// (runtime/device/cpu/KernelAbi.h) of `specs[i]`, for any machine that can run `variant`.
/// Deterministic: same arguments, same bytes. Errors: a spec that no emitter supports (named with
/// its reason), or a failure inside LLVM or lld.
llvm::Expected<std::vector<uint8_t>> emitKernels(llvm::ArrayRef<KernelSpec> specs,
                                                 llvm::ArrayRef<std::string> symbols,
                                                 engine::Variant variant);

/// Which stage of the kernels `dumpKernels` prints.
enum class KernelStage { Mlir, Llvm, Assembly };

/// The same kernels as text, for people and tests.
llvm::Expected<std::string> dumpKernels(llvm::ArrayRef<KernelSpec> specs,
                                        llvm::ArrayRef<std::string> symbols,
                                        engine::Variant variant, KernelStage stage);

/// Why `spec` cannot be emitted, or success. The lowering asks before it commits to a fusion.
llvm::Error checkSpec(const KernelSpec &spec);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_CODEGEN_H
