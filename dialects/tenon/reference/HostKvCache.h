//===- HostKvCache.h - Keys and values of the reference ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_REFERENCE_HOSTKVCACHE_H
#define TENON_DIALECTS_TENON_REFERENCE_HOSTKVCACHE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace mlir::tenon {

/// How cached elements are kept. `F16` rounds to nearest even, as every engine does; `F32` keeps
/// them, for comparisons with models that do not.
enum class KvPrecision { F16, F32 };

/// KV cache of the reference evaluation: plain arrays by layer, sequence and position, without
/// blocks. Not thread safe.
class HostKvCache {
public:
  HostKvCache(int64_t layers, int64_t kvHeads, int64_t headDim,
              KvPrecision precision = KvPrecision::F16);

  int64_t layers() const { return layerCount; }
  int64_t kvHeads() const { return heads; }
  int64_t headDim() const { return dim; }

  /// Writes `key` and `value` [kvHeads, headDim] of one position, over what was there. Positions up
  /// to it that were never written read as zeros.
  void write(int64_t layer, int32_t sequence, int32_t position, llvm::ArrayRef<float> key,
             llvm::ArrayRef<float> value);

  /// [kvHeads, headDim]; `position` is below `length`.
  llvm::ArrayRef<float> key(int64_t layer, int32_t sequence, int32_t position) const;
  llvm::ArrayRef<float> value(int64_t layer, int32_t sequence, int32_t position) const;

  /// Positions of the sequence in that layer: one more than the highest that was written.
  int32_t length(int64_t layer, int32_t sequence) const;

private:
  struct Rows {
    std::vector<float> keys, values; ///< [length, kvHeads, headDim]
  };
  int64_t rowElements() const { return heads * dim; }
  std::vector<float> rounded(llvm::ArrayRef<float> row) const;

  int64_t layerCount, heads, dim;
  KvPrecision precision;
  llvm::DenseMap<std::pair<int64_t, int32_t>, Rows> rows;
};

/// `value` rounded to f16 (to nearest even) and back.
float roundToHalf(float value);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_REFERENCE_HOSTKVCACHE_H
