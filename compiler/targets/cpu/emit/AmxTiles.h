//===- AmxTiles.h - The tile registers of AMX -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_AMXTILES_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_AMXTILES_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

#include <array>

namespace tenon::cpu {

/// Eight tiles by number, each up to 16 rows of 64 bytes. They and their shapes belong to the
/// thread: what runs between `configure` and `release` owns them, and no other state of a kernel is
/// in them. The numbers are the registers', so that nothing is allocated, spilled or configured
/// behind the emitter's back.
class AmxTiles {
public:
  static constexpr int64_t kCount = 8, kRows = 16, kRowBytes = 64, kBytes = kRows * kRowBytes;

  explicit AmxTiles(KernelBuilder &k) : k(k) {}

  /// Shape of a tile: a constant number of rows, or 0 for the number that `configure` is given.
  struct Shape {
    int64_t rows, rowBytes;
  };
  /// Sets all shapes and clears all tiles. `rows` (i64): 1 to 16. Costs a hundred cycles or so:
  /// once for many groups.
  void configure(const std::array<Shape, kCount> &shapes, Value rows);
  /// Ends the use of tiles; the thread's state is small again at its next context switch.
  void release();

  void zero(int64_t tile);
  /// Row r from pointer + r * stride.
  void load(int64_t tile, Value pointer, int64_t stride);
  void store(int64_t tile, Value pointer, int64_t stride);
  /// sum[m][n] (i32) += over k of a[m][k] * b[k/4][4n + k%4], all bytes signed.
  void dotSigned(int64_t sum, int64_t a, int64_t b);

private:
  KernelBuilder &k;
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_AMXTILES_H
