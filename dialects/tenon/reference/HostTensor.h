//===- HostTensor.h - A value of the reference evaluation -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_REFERENCE_HOSTTENSOR_H
#define TENON_DIALECTS_TENON_REFERENCE_HOSTTENSOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cassert>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace mlir::tenon {

class HostKvCache;

/// Reads row `row` of a stored matrix as f32; `out` has as many elements as the matrix has columns.
using RowReader = std::function<void(int64_t row, llvm::MutableArrayRef<float> out)>;

/// What a tenon value is while the reference evaluates: f32 or i32 elements, row-major; a stored
/// matrix whose rows are dequantised when they are read; or a handle to the KV cache. Cheap to
/// copy; elements are shared and never change.
class HostTensor {
public:
  HostTensor() = default;

  static HostTensor floats(llvm::ArrayRef<int64_t> shape, std::vector<float> values);
  static HostTensor ints(llvm::ArrayRef<int64_t> shape, std::vector<int32_t> values);
  /// A matrix [rows, columns] or a vector [columns] (row 0) that `reader` decodes.
  static HostTensor stored(llvm::ArrayRef<int64_t> shape, RowReader reader);
  /// All layers; not owned.
  static HostTensor cache(HostKvCache &cache);
  /// One layer of `cache`; not owned.
  static HostTensor kv(HostKvCache &cache, int64_t layer);

  llvm::ArrayRef<int64_t> shape() const { return sizes; }
  int64_t dim(unsigned i) const { return sizes[i]; }
  /// Elements of one row: the product of all dimensions but the first (of a vector: 1).
  int64_t rowElements() const;

  bool isFloats() const { return floatValues != nullptr; }
  bool isInts() const { return intValues != nullptr; }
  bool isStored() const { return static_cast<bool>(reader); }
  bool isKv() const { return kvCache != nullptr; }

  llvm::ArrayRef<float> floats() const {
    assert(isFloats());
    return *floatValues;
  }
  llvm::ArrayRef<int32_t> ints() const {
    assert(isInts());
    return *intValues;
  }
  /// Row `row` as f32, of dense or stored values.
  void readRow(int64_t row, llvm::MutableArrayRef<float> out) const;
  /// All elements as f32, of dense or stored values.
  std::vector<float> toFloats() const;

  HostKvCache &kvCacheRef() const {
    assert(isKv());
    return *kvCache;
  }
  int64_t layer() const { return kvLayer; }

private:
  llvm::SmallVector<int64_t, 3> sizes;
  std::shared_ptr<const std::vector<float>> floatValues;
  std::shared_ptr<const std::vector<int32_t>> intValues;
  RowReader reader;
  HostKvCache *kvCache = nullptr;
  int64_t kvLayer = 0;
};

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_REFERENCE_HOSTTENSOR_H
