//===- DotProduct.cpp - The integer dot instruction of a variant ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/DotProduct.h"

namespace tenon::cpu {

using engine::Variant;

DotProduct::DotProduct(KernelBuilder &k, WeightFormat format)
    : k(k), eightBit(formatInfo(format).bits == 8) {
  const FormatInfo info = formatInfo(format);
  // Eight stored bits need unsigned weights in the instruction; AVX2's saturates with them and
  // NEON's is signed, so there the sign bit is flipped back and no offset remains.
  const bool unsignedDot = isAvx512(k.variant()) || k.variant() == Variant::AvxVnni;
  remaining = info.offset != 0 && (unsignedDot || !eightBit);
  // A pair is at most 2 * weight * 127; the steps of a group share 16 bits as far as that goes.
  const int64_t widest = eightBit ? 128 : (int64_t(1) << info.bits) - 1;
  pairSteps = 32767 / (2 * widest * 127);
}

/// `lanes` consecutive lanes of `v` from `first`.
static Value slice(KernelBuilder &k, Value v, int64_t first, int64_t lanes) {
  llvm::SmallVector<int64_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(first + i);
  return k.shuffle(v, v, mask);
}
static Value concat(KernelBuilder &k, Value low, Value high, int64_t lanes) {
  llvm::SmallVector<int64_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(i);
  return k.shuffle(low, high, mask);
}

/// Vectors that 16 lanes of 32 bits take.
static int64_t partsOf(Variant variant) { return isAvx512(variant) ? 1 : isNeon(variant) ? 4 : 2; }

DotProduct::Sum DotProduct::start(Value initial) {
  Sum sum;
  Value all = initial ? initial : k.splatI32(0);
  const int64_t parts = partsOf(k.variant());
  for (int64_t i = 0; i < parts; ++i)
    sum.parts.push_back(parts == 1 ? all : slice(k, all, i * kLanes / parts, kLanes / parts));
  return sum;
}

Value DotProduct::finish(Sum &sum) {
  flushPairs(sum);
  Values parts = sum.parts;
  while (parts.size() > 1) {
    const int64_t lanes = kLanes / (parts.size() / 2);
    Values joined;
    for (size_t i = 0; i < parts.size(); i += 2)
      joined.push_back(concat(k, parts[i], parts[i + 1], lanes));
    parts = joined;
  }
  return parts[0];
}

Value DotProduct::prepare(Value weights) {
  if (!eightBit || remaining)
    return weights;
  Value flipped = k.xorI(k.bitcast(weights, k.vec(k.i32)), k.splatI32(0x80808080));
  return k.bitcast(flipped, k.vec(k.i8, 64));
}

void DotProduct::accumulate(Sum &sum, Value prepared, Value activation) {
  Value activations = k.bitcast(k.splat(activation), k.vec(k.i8, 64));
  switch (k.variant()) {
  case Variant::Avx512:
  case Variant::Amx:
    sum.parts[0] = k.intrinsic("llvm.x86.avx512.vpdpbusd.512", sum.parts[0].getType(),
                               {sum.parts[0], prepared, activations});
    return;
  case Variant::AvxVnni:
    for (int64_t h = 0; h < 2; ++h)
      sum.parts[h] = k.intrinsic(
          "llvm.x86.avx512.vpdpbusd.256", sum.parts[h].getType(),
          {sum.parts[h], slice(k, prepared, h * 32, 32), slice(k, activations, h * 32, 32)});
    return;
  case Variant::Neon:
  case Variant::NeonI8mm:
    for (int64_t q = 0; q < 4; ++q)
      sum.parts[q] = k.intrinsic(
          "llvm.aarch64.neon.sdot.v4i32.v16i8", k.vec(k.i32, 4),
          {sum.parts[q], slice(k, prepared, q * 16, 16), slice(k, activations, q * 16, 16)});
    return;
  default:
    return accumulateAvx2(sum, prepared, activations);
  }
}

void DotProduct::accumulateAvx2(Sum &sum, Value weights, Value activations) {
  const bool first = sum.steps == 0;
  for (int64_t h = 0; h < 2; ++h) {
    Value w = slice(k, weights, h * 32, 32), a = slice(k, activations, h * 32, 32);
    Type bytes = k.vec(k.i8, 32);
    if (eightBit) { // Signed weights: their sign moves to the activation, 128 * 127 * 2 fits.
      a = k.intrinsic("llvm.x86.avx2.psign.b", bytes, {a, w});
      w = k.intrinsic("llvm.x86.avx2.psign.b", bytes, {w, w});
    }
    Value pairs = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", k.vec(k.i16, 16), {w, a});
    if (first)
      sum.pairs.push_back(pairs);
    else
      sum.pairs[h] = k.add(sum.pairs[h], pairs);
  }
  if (++sum.steps == pairSteps)
    flushPairs(sum);
}

void DotProduct::flushPairs(Sum &sum) {
  if (sum.steps == 0)
    return;
  Value ones = k.bitcast(k.splatI32(0x00010001), k.vec(k.i16, 32));
  for (int64_t h = 0; h < 2; ++h)
    sum.parts[h] = k.add(sum.parts[h], k.intrinsic("llvm.x86.avx2.pmadd.wd", k.vec(k.i32, 8),
                                                   {sum.pairs[h], slice(k, ones, 0, 16)}));
  sum.pairs.clear();
  sum.steps = 0;
}

} // namespace tenon::cpu
