//===- VectorMath.cpp - Functions of 16 lanes -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {

/// Horner: c[0] is the highest coefficient.
static Value polynomial(KernelBuilder &k, Value x, llvm::ArrayRef<double> c) {
  Value acc = k.splatF32(c[0]);
  for (double next : c.drop_front())
    acc = k.fma(acc, x, k.splatF32(next));
  return acc;
}

Value emitExp(KernelBuilder &k, Value x) {
  Value tooSmall = k.cmpF("olt", x, k.splatF32(-87.0));
  Value clamped = k.minF(k.maxF(x, k.splatF32(-87.0)), k.splatF32(88.0));
  Value n = k.roundEven(k.mulF(clamped, k.splatF32(1.44269504088896341)));
  Value r = k.fma(n, k.splatF32(-0.693359375), clamped);
  r = k.fma(n, k.splatF32(2.12194440e-4), r);
  Value p = polynomial(k, r,
                       {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
                        1.6666665459e-1, 5.0000001201e-1});
  p = k.addF(k.fma(k.mulF(p, r), r, r), k.splatF32(1.0));
  Value exponent = k.shl(k.toSigned(n, k.i32), k.splatI32(23));
  Value scaled = k.bitcast(k.add(k.bitcast(p, k.vec(k.i32)), exponent), k.vec(k.f32));
  return k.select(tooSmall, k.splatF32(0.0), scaled);
}

Value emitExpNegative(KernelBuilder &k, Value x) {
  // 2^(n + r): adding 1.5 * 2^23 rounds to the integer n, which then stands in the low bits.
  Value log2e = k.splatF32(1.44269504088896341), magic = k.splatF32(12582912.0);
  Value shifted = k.fma(x, log2e, magic);
  Value r = k.fma(x, log2e, k.negF(k.subF(shifted, magic)));
  // 2^r on [-1/2, 1/2], fitted for least relative error (9.2e-8) with 1 fixed at 0.
  Value p = polynomial(k, r,
                       {1.326472731307149e-3, 9.671512991189957e-3, 5.550733581185341e-2,
                        2.4022242426872253e-1, 6.931470036506653e-1, 1.0});
  Value exponent = k.shl(k.bitcast(shifted, k.vec(k.i32)), k.splatI32(23));
  Value scaled = k.bitcast(k.add(k.bitcast(p, k.vec(k.i32)), exponent), k.vec(k.f32));
  return k.select(k.cmpF("olt", x, k.splatF32(-87.0)), k.splatF32(0.0), scaled);
}

Value emitRoundToBf16(KernelBuilder &k, Value x) {
  Value bits = k.bitcast(x, k.vec(k.i32)), upper = k.shrU(bits, k.splatI32(16));
  Value half = k.add(k.andI(upper, k.splatI32(1)), k.splatI32(0x7fff));
  Value rounded = k.shrU(k.add(bits, half), k.splatI32(16));
  Value isNan = k.cmpI("ugt", k.andI(bits, k.splatI32(0x7fffffff)), k.splatI32(0x7f800000));
  return k.truncate(k.select(isNan, k.orI(upper, k.splatI32(0x40)), rounded), k.i16);
}

Value emitSigmoid(KernelBuilder &k, Value x) {
  Value one = k.splatF32(1.0);
  return k.divF(one, k.addF(one, emitExp(k, k.negF(x))));
}

Value emitTanh(KernelBuilder &k, Value x) {
  return k.fma(k.splatF32(2.0), emitSigmoid(k, k.mulF(x, k.splatF32(2.0))), k.splatF32(-1.0));
}

std::pair<Value, Value> emitSinCos(KernelBuilder &k, Value x) {
  Value n = k.roundEven(k.mulF(x, k.splatF32(0.63661977236758134308)));
  Value r = k.fma(n, k.splatF32(-1.5707962512969971), x);
  r = k.fma(n, k.splatF32(-7.5497894158615964e-8), r);
  r = k.fma(n, k.splatF32(-5.3903029534742384e-15), r);
  Value r2 = k.mulF(r, r);
  Value sinP = polynomial(k, r2, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1});
  Value sinR = k.fma(k.mulF(sinP, r2), r, r);
  Value cosP =
      polynomial(k, r2, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2});
  Value cosR = k.fma(k.mulF(cosP, r2), r2, k.fma(r2, k.splatF32(-0.5), k.splatF32(1.0)));
  Value quadrant = k.toSigned(n, k.i32);
  auto bit = [&](Value v, int64_t mask) {
    return k.cmpI("ne", k.andI(v, k.splatI32(mask)), k.splatI32(0));
  };
  Value swapped = bit(quadrant, 1);
  Value sinV = k.select(swapped, cosR, sinR);
  Value cosV = k.select(swapped, sinR, cosR);
  sinV = k.select(bit(quadrant, 2), k.negF(sinV), sinV);
  cosV = k.select(bit(k.add(quadrant, k.splatI32(1)), 2), k.negF(cosV), cosV);
  return {sinV, cosV};
}

Value emitActivation(KernelBuilder &k, Activation activation, Value x) {
  switch (activation) {
  case Activation::None:
    return x;
  case Activation::Silu:
    return k.mulF(x, emitSigmoid(k, x));
  case Activation::GeluTanh: {
    Value x2 = k.mulF(x, x);
    Value inner = k.mulF(x, k.fma(x2, k.splatF32(0.044715), k.splatF32(1.0)));
    return k.mulF(x, emitSigmoid(k, k.mulF(inner, k.splatF32(1.5957691216057308))));
  }
  }
  return x;
}

Value emitSoftcap(KernelBuilder &k, Value x, float cap) {
  return k.mulF(emitTanh(k, k.mulF(x, k.splatF32(1.0 / cap))), k.splatF32(cap));
}

/// Folds the upper half of `v` onto the lower until one lane is left.
template <typename Combine> static Value fold(KernelBuilder &k, Value v, Combine combine) {
  for (int64_t half = kLanes / 2; half >= 1; half /= 2) {
    llvm::SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(i + half);
    }
    v = combine(k.shuffle(v, v, low), k.shuffle(v, v, high));
  }
  return k.extract(v, 0);
}

Value emitSum(KernelBuilder &k, Value v) {
  return fold(k, v, [&](Value x, Value y) { return k.addF(x, y); });
}
Value emitMax(KernelBuilder &k, Value v) {
  return fold(k, v, [&](Value x, Value y) { return k.maxF(x, y); });
}
Value emitSumI32(KernelBuilder &k, Value v) {
  return fold(k, v, [&](Value x, Value y) { return k.add(x, y); });
}

} // namespace tenon::cpu
