//===- RowRounding.cpp - A row of weights in few bits ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/RowRounding.h"

#include "frontends/gguf/HalfFloat.h"

#include "llvm/ADT/APFloat.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// Same bits on every machine: no fused multiply-adds, and sums in the order that is written here.
#pragma STDC FP_CONTRACT OFF

namespace tenon::compiler {

namespace {

/// Sums run in eight lanes, whatever the machine's vectors hold.
constexpr uint32_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

// The same source for the vectors that x86-64 may have; the loader of the program picks. Lanes keep
// their order, so that all give the same bits.
#if defined(__x86_64__) && defined(__linux__)
#define TENON_WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define TENON_WIDE_VECTORS
#endif

/// Range of the integers that a scale multiplies.
struct Range {
  float low, high;
};

/// What least squares need to know about one trial: sums over the group, weighted by importance w.
struct Moments {
  float error; ///< w (x - rounded)^2
  float wqx, wqq, wq;
};

constexpr float kNearest = 12582912.0f; // 1.5 * 2^23: adding it rounds to the nearest integer.

/// Nearest integer to a value in (-2^22, 2^22), to even in the middle.
inline float nearest(float value) { return (value + kNearest) - kNearest; }

inline float quantOf(float x, float minimum, float inverse, Range range) {
  return nearest(std::min(std::max((x + minimum) * inverse, range.low), range.high));
}

inline float sumOf(const Lanes &v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/// Values of a group and what the error of each counts.
struct Group {
  const float *x, *w;
  uint32_t size; ///< A multiple of kLanes.
};

/// Rounds the group with w = scale * q - minimum and says how good that is.
TENON_WIDE_VECTORS void tryScale(const Group &group, float scale, float minimum, Range range,
                                 Moments *moments) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  Lanes error = {}, wqx = {}, wqq = {}, wq = {};
  for (uint32_t at = 0; at < group.size; at += kLanes) {
    Lanes values, weights;
    std::memcpy(&values, group.x + at, sizeof(values));
    std::memcpy(&weights, group.w + at, sizeof(weights));
    const Lanes shifted = values + minimum;
    Lanes q = shifted * inverse;
    q = q > range.low ? q : Lanes{} + range.low;
    q = q < range.high ? q : Lanes{} + range.high;
    q = (q + kNearest) - kNearest;
    const Lanes difference = shifted - scale * q;
    const Lanes weighted = weights * q;
    error += weights * (difference * difference);
    wqx += weighted * values;
    wqq += weighted * q;
    wq += weighted;
  }
  *moments = {sumOf(error), sumOf(wqx), sumOf(wqq), sumOf(wq)};
}

/// Smallest f16 that is not below `value`, a finite number from 0 on.
uint16_t halfNotBelow(float value) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmTowardPositive, &inexact);
  return static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue());
}

/// `value` in units of `unit`, as a code from `low` to `high`.
int32_t codeOf(float value, float unit, int32_t low, int32_t high) {
  if (unit == 0)
    return 0;
  return static_cast<int32_t>(
      nearest(std::clamp(value / unit, static_cast<float>(low), static_cast<float>(high))));
}

void storeQuants(const Group &group, float scale, float minimum, Range range, int32_t offset,
                 uint8_t *out) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  for (uint32_t i = 0; i < group.size; ++i)
    out[i] = static_cast<uint8_t>(
        static_cast<int32_t>(quantOf(group.x[i], minimum, inverse, range)) + offset);
}

/// Of a column whose inputs were all zero, relative to the mean: the next text may be another.
constexpr float kLeastImportance = 0.02f;
/// Shares of the scale that just spans the group, at which the search begins. Clipping the largest
/// value a little pays when the others gain.
constexpr float kBeginnings[] = {1.0f, 0.94f, 0.88f, 0.82f, 1.06f};
/// Of the scale with the opposite sign, whose last integer is one step nearer to zero.
constexpr float kOpposite[] = {-1.0f, -1.08f, -1.16f};
/// Root mean square error, in steps, below which the values must lie on the grid that was found:
/// that of values anywhere between two integers is 0.29.
constexpr float kOnGrid = 0.12f;

/// The codes of one group's scale: w = code * unit * q.
struct SymmetricSearch {
  const Group group;
  const Range range;
  const float unit;
  static constexpr int32_t limit = 127;
  int32_t best = 0;
  float least = INFINITY;

  Moments attempt(int32_t code) {
    Moments moments;
    tryScale(group, code * unit, 0, range, &moments);
    if (moments.error < least) {
      least = moments.error;
      best = code;
    }
    return moments;
  }
  /// Alternates from `scale` between quants and scale.
  void descend(float scale) {
    int32_t code = codeOf(scale, unit, -limit, limit);
    for (int round = 0; round < 2; ++round) {
      const Moments moments = attempt(code);
      if (moments.wqq == 0)
        return;
      const int32_t next = codeOf(moments.wqx / moments.wqq, unit, -limit, limit);
      if (next == code)
        return;
      code = next;
    }
  }
  void look() {
    for (int32_t code : {best - 1, best + 1})
      if (std::abs(code) <= limit)
        attempt(code);
  }
};

/// The codes of one group's scale and minimum: w = code * unit * q - minCode * minUnit.
struct MinimumSearch {
  const Group group;
  const Range range;
  const float unit, minUnit;
  static constexpr int32_t limit = 255;
  float sw = 0, swx = 0;
  int32_t best = 0, bestMin = 0;
  Moments moments{INFINITY, 0, 0, 0}; ///< Of the best.

  MinimumSearch(const Group &group, Range range, float unit, float minUnit)
      : group(group), range(range), unit(unit), minUnit(minUnit) {
    for (uint32_t i = 0; i < group.size; ++i) {
      sw += group.w[i];
      swx += group.w[i] * group.x[i];
    }
  }
  bool onGrid() const {
    const float bound = kOnGrid * unit * best;
    return moments.error <= sw * bound * bound;
  }
  Moments attempt(int32_t code, int32_t minCode) {
    Moments tried;
    tryScale(group, code * unit, minCode * minUnit, range, &tried);
    if (tried.error < moments.error) {
      moments = tried;
      best = code;
      bestMin = minCode;
    }
    return tried;
  }
  void descend(float scale, float minimum) {
    int32_t code = codeOf(scale, unit, 0, limit), minCode = codeOf(minimum, minUnit, 0, limit);
    for (int round = 0; round < 3; ++round) {
      const Moments m = attempt(code, minCode);
      // Least squares of x = scale * q - minimum for these quants.
      const float determinant = sw * m.wqq - m.wq * m.wq;
      if (!(determinant > 0))
        return;
      const int32_t next = codeOf((sw * m.wqx - m.wq * swx) / determinant, unit, 0, limit);
      const int32_t nextMin = codeOf((next * unit * m.wq - swx) / sw, minUnit, 0, limit);
      if (next == code && nextMin == minCode)
        return;
      code = next;
      minCode = nextMin;
    }
  }
  /// Rounding scale and minimum to codes one by one may miss the best pair: for the quants of the
  /// best trial, the error is a quadratic form in both.
  void look() {
    const float scale = best * unit, minimum = bestMin * minUnit;
    const float alongScale = moments.wqx - scale * moments.wqq + minimum * moments.wq;
    const float alongMinimum = swx - scale * moments.wq + minimum * sw;
    float gain = 0;
    int32_t code = best, minCode = bestMin;
    for (int32_t step = -2; step <= 2; ++step)
      for (int32_t minStep = -2; minStep <= 2; ++minStep) {
        const float s = step * unit, m = minStep * minUnit;
        const float change = s * s * moments.wqq - 2 * s * m * moments.wq + m * m * sw -
                             2 * s * alongScale + 2 * m * alongMinimum;
        if (change < gain && best + step >= 0 && best + step <= limit && bestMin + minStep >= 0 &&
            bestMin + minStep <= limit) {
          gain = change;
          code = best + step;
          minCode = bestMin + minStep;
        }
      }
    if (gain < 0)
      attempt(code, minCode);
  }
};

} // namespace

RowRounder::RowRounder(WeightFormat format, uint64_t columns) : info(formatInfo(format)) {
  const size_t groups = info.groups(columns);
  result.codes.resize(groups);
  if (info.hasMin)
    result.minCodes.resize(groups);
  result.quants.resize(columns);
  importance.resize(columns);
  firstScale.resize(groups);
  firstMin.resize(groups);
}

void RowRounder::roundSymmetric(llvm::ArrayRef<float> row) {
  const float half = static_cast<float>(info.offset);
  const Range range{-half, half - 1};
  float largest = 0;
  for (size_t g = 0; g < result.codes.size(); ++g) {
    float extreme = 0;
    for (float value : groupOf(row, g))
      if (std::fabs(value) > std::fabs(extreme))
        extreme = value;
    firstScale[g] = -extreme / half; // The integer of the largest value is -half.
    largest = std::max(largest, std::fabs(firstScale[g]));
  }
  result.scale = halfNotBelow(largest / SymmetricSearch::limit);
  const float unit = frontend::halfToFloat(result.scale);

  for (size_t g = 0; g < result.codes.size(); ++g) {
    const llvm::ArrayRef<float> x = groupOf(row, g);
    SymmetricSearch search{
        {x.data(), groupOf(importance, g).data(), uint32_t(x.size())}, range, unit};
    if (firstScale[g] != 0) {
      for (float beginning : kBeginnings)
        search.descend(firstScale[g] * beginning);
      for (float beginning : kOpposite)
        if (info.bits < 8)
          search.descend(firstScale[g] * beginning);
      search.look();
    }
    result.codes[g] = static_cast<int16_t>(search.best);
    storeQuants(search.group, search.best * unit, 0, range, info.offset,
                result.quants.data() + g * info.group);
  }
}

void RowRounder::roundWithMinimum(llvm::ArrayRef<float> row) {
  const float top = static_cast<float>((1 << info.bits) - 1);
  const Range range{0, top};
  float largest = 0, deepest = 0;
  for (size_t g = 0; g < result.codes.size(); ++g) {
    float low = 0, high = 0; // Zero is always within: a minimum is never above it.
    for (float value : groupOf(row, g)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
    firstScale[g] = (high - low) / top;
    firstMin[g] = -low;
    largest = std::max(largest, firstScale[g]);
    deepest = std::max(deepest, firstMin[g]);
  }
  result.scale = halfNotBelow(largest / MinimumSearch::limit);
  result.minScale = halfNotBelow(deepest / MinimumSearch::limit);
  const float unit = frontend::halfToFloat(result.scale),
              minUnit = frontend::halfToFloat(result.minScale);

  // A grid of 16 levels, such as 4-bit files have, lies on every second (fourth) integer of a finer
  // one.
  const float coarse = top / static_cast<float>((1 << info.bits) - (1 << (info.bits - 4)));
  for (size_t g = 0; g < result.codes.size(); ++g) {
    const llvm::ArrayRef<float> x = groupOf(row, g);
    MinimumSearch search({x.data(), groupOf(importance, g).data(), uint32_t(x.size())}, range, unit,
                         minUnit);
    search.descend(firstScale[g], firstMin[g]);
    if (info.bits > 4 && !search.onGrid())
      search.descend(firstScale[g] * coarse, firstMin[g]);
    if (!search.onGrid())
      for (float beginning : llvm::ArrayRef(kBeginnings).drop_front())
        search.descend(firstScale[g] * beginning, firstMin[g] * beginning);
    search.look();
    result.codes[g] = static_cast<int16_t>(search.best);
    result.minCodes[g] = static_cast<int16_t>(search.bestMin);
    storeQuants(search.group, search.best * unit, search.bestMin * minUnit, range, 0,
                result.quants.data() + g * info.group);
  }
}

const RoundedRow &RowRounder::round(llvm::ArrayRef<float> row,
                                    llvm::ArrayRef<float> columnImportance) {
  double squares = 0;
  for (float value : row)
    squares += double(value) * double(value);
  const float deviation = static_cast<float>(std::sqrt(squares / std::max<size_t>(1, row.size())));
  for (size_t k = 0; k < row.size(); ++k)
    importance[k] = columnImportance.empty() ? std::fabs(row[k]) + deviation
                                             : columnImportance[k] + kLeastImportance;
  info.hasMin ? roundWithMinimum(row) : roundSymmetric(row);
  return result;
}

} // namespace tenon::compiler
