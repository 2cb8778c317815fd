//===- AmxTiles.cpp - The tile registers of AMX ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/AmxTiles.h"

namespace tenon::cpu {

void AmxTiles::configure(const std::array<Shape, kCount> &shapes, Value rows) {
  // LDTILECFG's operand: palette 1 in byte 0, bytes per row as u16 from 16, rows as u8 from 48.
  uint64_t rowBytes[2] = {0, 0}, fixedRows = 0, givenRows = 0;
  for (int64_t tile = 0; tile < kCount; ++tile) {
    rowBytes[tile / 4] |= uint64_t(shapes[tile].rowBytes) << tile % 4 * 16;
    fixedRows |= uint64_t(shapes[tile].rows) << tile * 8;
    givenRows |= uint64_t(shapes[tile].rows == 0) << tile * 8;
  }
  Value all = k.add(k.mulC(rows, int64_t(givenRows)), k.constI64(int64_t(fixedRows)));
  Value zero = k.constI64(0);
  Value words[8] = {k.constI64(1),
                    zero,
                    k.constI64(int64_t(rowBytes[0])),
                    k.constI64(int64_t(rowBytes[1])),
                    zero,
                    zero,
                    all,
                    zero};
  Value shape = k.stackBytes(64);
  for (int64_t i = 0; i < 8; ++i)
    k.store(words[i], shape, {}, i * 8);
  k.instruction("llvm.x86.ldtilecfg", {shape});
}

void AmxTiles::release() { k.instruction("llvm.x86.tilerelease", {}); }

void AmxTiles::zero(int64_t tile) { k.instruction("llvm.x86.tilezero", {k.constI8(tile)}); }

void AmxTiles::load(int64_t tile, Value pointer, int64_t stride) {
  k.instruction("llvm.x86.tileloadd64", {k.constI8(tile), pointer, k.constI64(stride)});
}

void AmxTiles::store(int64_t tile, Value pointer, int64_t stride) {
  k.instruction("llvm.x86.tilestored64", {k.constI8(tile), pointer, k.constI64(stride)});
}

void AmxTiles::dotSigned(int64_t sum, int64_t a, int64_t b) {
  k.instruction("llvm.x86.tdpbssd", {k.constI8(sum), k.constI8(a), k.constI8(b)});
}

} // namespace tenon::cpu
