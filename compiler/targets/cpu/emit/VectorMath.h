//===- VectorMath.h - Functions of 16 lanes ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Elementary functions and reductions, written as explicit FMAs: the same bits on every variant.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_VECTORMATH_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_VECTORMATH_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// e^x, relative error < 2 ulp for x in [-87, 88]; 0 below, clamped at e^88 above.
/// Cody-Waite reduction by ln 2 and a polynomial of degree 6 (Cephes expf).
Value emitExp(KernelBuilder &k, Value x);
/// e^x for x <= 0 in fewer steps, relative error < 3e-7 for x >= -10 and < 1.4e-6 below; exactly 1
/// at 0, 0 below -87.
Value emitExpNegative(KernelBuilder &k, Value x);
/// 1 / (1 + e^-x)
Value emitSigmoid(KernelBuilder &k, Value x);
/// tanh(x) = 2 sigmoid(2x) - 1; absolute error < 2e-7.
Value emitTanh(KernelBuilder &k, Value x);
/// sin and cos for |x| < 2^17: three-part reduction by pi/2, Cephes polynomials on [-pi/4, pi/4].
std::pair<Value, Value> emitSinCos(KernelBuilder &k, Value x);
/// silu(x) = x sigmoid(x);  gelu_tanh(x) = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)).
Value emitActivation(KernelBuilder &k, Activation activation, Value x);
/// cap * tanh(x / cap)
Value emitSoftcap(KernelBuilder &k, Value x, float cap);

/// 16 f32 as bf16, in i16: to nearest, ties to even; what is no number stays none. As
/// collective/Element.h.
Value emitRoundToBf16(KernelBuilder &k, Value x);

/// Sum of 16 f32 lanes in a fixed tree (8+8, 4+4, 2+2, 1+1).
Value emitSum(KernelBuilder &k, Value v);
Value emitMax(KernelBuilder &k, Value v);
/// Sum of 16 i32 lanes.
Value emitSumI32(KernelBuilder &k, Value v);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_VECTORMATH_H
