//===- HostKvCache.cpp - Keys and values of the reference -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/reference/HostKvCache.h"

#include "llvm/ADT/APFloat.h"

#include <algorithm>
#include <cassert>

using namespace mlir::tenon;

float mlir::tenon::roundToHalf(float value) {
  llvm::APFloat rounded(value);
  bool losesInfo;
  rounded.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return rounded.convertToFloat();
}

HostKvCache::HostKvCache(int64_t layers, int64_t kvHeads, int64_t headDim, KvPrecision precision)
    : layerCount(layers), heads(kvHeads), dim(headDim), precision(precision) {}

std::vector<float> HostKvCache::rounded(llvm::ArrayRef<float> row) const {
  std::vector<float> result(row.begin(), row.end());
  if (precision == KvPrecision::F16)
    std::transform(result.begin(), result.end(), result.begin(), roundToHalf);
  return result;
}

void HostKvCache::write(int64_t layer, int32_t sequence, int32_t position,
                        llvm::ArrayRef<float> key, llvm::ArrayRef<float> value) {
  assert(layer >= 0 && layer < layerCount && position >= 0);
  assert(static_cast<int64_t>(key.size()) == rowElements() && key.size() == value.size());
  Rows &written = rows[{layer, sequence}];
  const size_t at = static_cast<size_t>(position) * rowElements();
  if (written.keys.size() < at + rowElements()) {
    written.keys.resize(at + rowElements());
    written.values.resize(at + rowElements());
  }
  const std::vector<float> keyRow = rounded(key), valueRow = rounded(value);
  std::copy(keyRow.begin(), keyRow.end(), written.keys.begin() + at);
  std::copy(valueRow.begin(), valueRow.end(), written.values.begin() + at);
}

llvm::ArrayRef<float> HostKvCache::key(int64_t layer, int32_t sequence, int32_t position) const {
  return llvm::ArrayRef<float>(rows.find({layer, sequence})->second.keys)
      .slice(static_cast<size_t>(position) * rowElements(), rowElements());
}

llvm::ArrayRef<float> HostKvCache::value(int64_t layer, int32_t sequence, int32_t position) const {
  return llvm::ArrayRef<float>(rows.find({layer, sequence})->second.values)
      .slice(static_cast<size_t>(position) * rowElements(), rowElements());
}

int32_t HostKvCache::length(int64_t layer, int32_t sequence) const {
  auto found = rows.find({layer, sequence});
  return found == rows.end() ? 0 : static_cast<int32_t>(found->second.keys.size() / rowElements());
}
