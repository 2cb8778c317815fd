//===- Kernels.h - One emitter per kernel kind ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Each writes the body of one kernel (between KernelBuilder::kernel's entry and return). What the
// kernels compute, and their buffers, is stated in runtime/device/cpu/KernelKind.h.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_KERNELS_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_KERNELS_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

void emitRopeTable(KernelBuilder &k, const KernelSpec &spec);
void emitEmbed(KernelBuilder &k, const KernelSpec &spec);
void emitNormQuant(KernelBuilder &k, const KernelSpec &spec);
void emitNormAdd(KernelBuilder &k, const KernelSpec &spec); ///< Also NormAddNormQuant.
void emitQuantize(KernelBuilder &k, const KernelSpec &spec);
void emitLinear(KernelBuilder &k, const KernelSpec &spec);
void emitLinearGate(KernelBuilder &k, const KernelSpec &spec);
void emitLinearQkv(KernelBuilder &k, const KernelSpec &spec);
void emitAttention(KernelBuilder &k, const KernelSpec &spec);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_KERNELS_H
