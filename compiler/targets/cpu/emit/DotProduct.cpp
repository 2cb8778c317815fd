//===- DotProduct.cpp - The integer dot instruction of a variant ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/DotProduct.h"

namespace tenon::cpu {

using engine::Variant;

DotProduct::DotProduct(KernelBuilder &k, WeightFormat format)
    : k(k), eightBit(formatInfo(format).bits == 8) {
  // Eight stored bits need unsigned weights in the instruction; AVX2's saturates with them and NEON's
  // is signed, so there the sign bit is flipped back and no offset remains.
  const bool unsignedDot = k.variant() == Variant::Avx512;
  remaining = formatInfo(format).offset != 0 && (unsignedDot || !eightBit);
}

Value DotProduct::prepare(Value weights) {
  if (!eightBit || remaining)
    return weights;
  Value flipped = k.xorI(k.bitcast(weights, k.vec(k.i32)), k.splatI32(0x80808080));
  return k.bitcast(flipped, k.vec(k.i8, 64));
}

Value DotProduct::accumulate(Value acc, Value prepared, Value activation) {
  Value activations = k.bitcast(k.splat(activation), k.vec(k.i8, 64));
  switch (k.variant()) {
  case Variant::Avx512:
    return k.intrinsic("llvm.x86.avx512.vpdpbusd.512", acc.getType(), {acc, prepared, activations});
  case Variant::Neon:
    return neon(acc, prepared, activations);
  default:
    return avx2(acc, prepared, activations, eightBit);
  }
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

Value DotProduct::avx2(Value acc, Value weights, Value activations, bool signedWeights) {
  // vpmaddubsw saturates at 16 bits: 6-bit weights reach 63*127*2, signed 8-bit ones 128*127*2 after
  // moving the sign to the activation; both fit.
  Value ones = k.bitcast(k.splatI32(0x00010001), k.vec(k.i16, 32));
  Value halves[2];
  for (int64_t h = 0; h < 2; ++h) {
    Value w = slice(k, weights, h * 32, 32), a = slice(k, activations, h * 32, 32);
    Type bytes = k.vec(k.i8, 32);
    if (signedWeights) {
      a = k.intrinsic("llvm.x86.avx2.psign.b", bytes, {a, w});
      w = k.intrinsic("llvm.x86.avx2.psign.b", bytes, {w, w});
    }
    Value pairs = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", k.vec(k.i16, 16), {w, a});
    Value quads = k.intrinsic("llvm.x86.avx2.pmadd.wd", k.vec(k.i32, 8),
                              {pairs, slice(k, ones, 0, 16)});
    halves[h] = k.add(slice(k, acc, h * 8, 8), quads);
  }
  return concat(k, halves[0], halves[1], 16);
}

Value DotProduct::neon(Value acc, Value weights, Value activations) {
  Value quarters[4];
  for (int64_t q = 0; q < 4; ++q)
    quarters[q] = k.intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", k.vec(k.i32, 4),
                              {slice(k, acc, q * 4, 4), slice(k, weights, q * 16, 16),
                               slice(k, activations, q * 16, 16)});
  return concat(k, concat(k, quarters[0], quarters[1], 8), concat(k, quarters[2], quarters[3], 8),
                16);
}

} // namespace tenon::cpu
