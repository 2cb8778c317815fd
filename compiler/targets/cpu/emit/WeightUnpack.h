//===- WeightUnpack.h - Block formats in registers --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_WEIGHTUNPACK_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_WEIGHTUNPACK_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// Steps of 4 k in a group of 32.
inline constexpr int64_t kStepsPerGroup = 8;

/// Reads the quants of one group of 32 k of a panel, one step of 4 k at a time.
class GroupQuants {
public:
  /// `group` (i64) counts groups of 32 k from the panel's start.
  GroupQuants(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel, Value group);
  /// vector<64xi8> [16 ch][4 kk] of step `step` (0..7), unsigned stored values.
  Value step(int64_t step);
  /// vector<64xi8> [8 ch][2 steps][4 kk] of a pair of steps, unsigned stored values: `index` = 4q +
  /// 2o + h is channels 8h to 8h + 7 of steps 4q + o and 4q + o + 2. Called for indices 4q to 4q +
  /// 3 in turn.
  Value pair(int64_t index);

private:
  KernelBuilder &k;
  WeightFormat format;
  FormatInfo info;
  PanelLayout layout;
  Value panel, group, packed;
  Value high[2];
  Value zipped[2]; ///< Of `pair` with 4 bits: packed words of channels 0 to 7 and 8 to 15.
  Value steps[4];  ///< Of `pair` with more: the words of four steps.
};

/// Scale vectors of a panel. For formats with super scales, `superGroup` is group / 8.
struct GroupScales {
  Value scale[2]; ///< vector<16xf32>; [1] only where the format's group is 16.
  Value min;      ///< null without mins.
};
/// d (and -dmin) of one super block; unused for plain formats and for those with row scales.
struct SuperScales {
  Value d, negMin;
};
SuperScales emitSuperScales(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                            Value superGroup);
GroupScales emitGroupScales(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                            Value group, const SuperScales &super);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_WEIGHTUNPACK_H
