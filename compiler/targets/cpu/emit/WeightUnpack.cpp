//===- WeightUnpack.cpp - Block formats in registers ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/WeightUnpack.h"

namespace tenon::cpu {

GroupQuants::GroupQuants(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                         Value group)
    : k(k), format(format), info(formatInfo(format)), layout(format, columns), panel(panel),
      group(group) {
  if (info.bits == 5)
    high[0] = k.load(k.vec(k.i32), panel, k.mulC(group, 64), layout.high);
  if (info.bits == 6)
    for (int64_t h = 0; h < 2; ++h)
      high[h] = k.load(k.vec(k.i32), panel, k.mulC(group, 128), layout.high + h * 64);
}

Value GroupQuants::step(int64_t step) {
  Type bytes = k.vec(k.i8, 64);
  if (info.bits == 8)
    return k.load(bytes, panel, k.mulC(group, 512), step * 64);

  // Even steps are the low nibbles of a 64-byte load, odd steps the high nibbles of the same.
  if (step % 2 == 0)
    packed = k.load(k.vec(k.i32), panel, k.mulC(group, 256), step / 2 * 64);
  Value shifted = step % 2 ? k.shrU(packed, k.splatI32(4)) : packed;
  Value q = k.andI(shifted, k.splatI32(0x0f0f0f0f));
  if (info.bits == 4)
    return k.bitcast(q, bytes);

  // Bring the bits of this step to positions 4 (and 5). Lanes are 32 bits wide: what a shift moves
  // across byte borders is masked away.
  int64_t position = info.bits == 5 ? step : step % 4 * 2;
  Value plane = info.bits == 5 ? high[0] : high[step / 4];
  int64_t mask = info.bits == 5 ? 0x10101010 : 0x30303030;
  if (position < 4)
    plane = k.shl(plane, k.splatI32(4 - position));
  else if (position > 4)
    plane = k.shrU(plane, k.splatI32(position - 4));
  return k.bitcast(k.orI(q, k.andI(plane, k.splatI32(mask))), bytes);
}

/// Words of channels 8 * half to 8 * half + 7, by turns of `a` and of `b`.
static Value zip(KernelBuilder &k, Value a, Value b, int64_t half) {
  llvm::SmallVector<int64_t, kLanes> lanes;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    lanes.push_back(half * kLanes / 2 + lane / 2 + lane % 2 * kLanes);
  return k.shuffle(a, b, lanes);
}

Value GroupQuants::pair(int64_t index) {
  const int64_t quad = index / 4, odd = index % 4 / 2, half = index % 2;
  const Type bytes = k.vec(k.i8, 64), words = k.vec(k.i32);
  if (info.bits == 4) {
    // Packed words are zipped: their low nibbles are o = 0, the high ones o = 1.
    if (index % 4 == 0) {
      Value a = k.load(words, panel, k.mulC(group, 256), quad * 128);
      Value b = k.load(words, panel, k.mulC(group, 256), quad * 128 + 64);
      for (int64_t h = 0; h < 2; ++h)
        zipped[h] = zip(k, a, b, h);
    }
    Value shifted = odd ? k.shrU(zipped[half], k.splatI32(4)) : zipped[half];
    return k.bitcast(k.andI(shifted, k.splatI32(0x0f0f0f0f)), bytes);
  }
  if (index % 4 == 0)
    for (int64_t i = 0; i < 4; ++i)
      steps[i] = k.bitcast(step(quad * 4 + i), words);
  return k.bitcast(zip(k, steps[odd], steps[odd + 2], half), bytes);
}

SuperScales emitSuperScales(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                            Value superGroup) {
  const FormatInfo info = formatInfo(format);
  SuperScales super;
  if (!info.superScales)
    return super;
  const PanelLayout layout(format, columns);
  Value offset = k.mulC(superGroup, 32);
  super.d = k.toF32(k.load(k.vec(k.f16), panel, offset, layout.superScale));
  if (info.hasMin)
    super.negMin = k.negF(k.toF32(k.load(k.vec(k.f16), panel, offset, layout.superMin)));
  return super;
}

GroupScales emitGroupScales(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                            Value group, const SuperScales &super) {
  const FormatInfo info = formatInfo(format);
  const PanelLayout layout(format, columns);
  GroupScales scales;
  auto eightBit = [&](uint64_t plane, Value offset, int64_t constant) {
    Value raw = k.load(k.vec(k.i8), panel, offset, plane + constant);
    return k.toF32(info.signedScales ? k.extendS(raw, k.i32) : k.extendU(raw, k.i32));
  };
  auto half = [&](uint64_t plane, Value offset) {
    return k.toF32(k.load(k.vec(k.f16), panel, offset, plane));
  };
  if (info.rowScales) { // Nothing in a product's loop writes memory: the row's scales leave the
                        // loop.
    // A wider group's scales are read with each 32 k of it: they are in L1 then.
    Value scaleGroup = info.group > 32 ? k.divU(group, k.constI64(info.group / 32)) : group;
    Value offset = k.mulC(scaleGroup, PanelLayout::scaleStride(info));
    scales.scale[0] = k.mulF(eightBit(layout.scales, offset, 0), half(layout.superScale, {}));
    if (info.hasMin)
      scales.min = k.mulF(eightBit(layout.mins, offset, 0), k.negF(half(layout.superMin, {})));
    return scales;
  }
  if (!info.superScales) {
    Value offset = k.mulC(group, 32);
    scales.scale[0] = half(layout.scales, offset);
    if (info.hasMin)
      scales.min = half(layout.mins, offset);
    return scales;
  }
  const int64_t perGroup = info.scalesPer32();
  Value offset = k.mulC(group, 16 * perGroup);
  for (int64_t i = 0; i < perGroup; ++i)
    scales.scale[i] = k.mulF(eightBit(layout.scales, offset, i * 16), super.d);
  if (info.hasMin)
    scales.min = k.mulF(eightBit(layout.mins, k.mulC(group, 16), 0), super.negMin);
  return scales;
}

} // namespace tenon::cpu
