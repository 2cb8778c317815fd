//===- HostTensor.cpp - A value of the reference evaluation ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/reference/HostTensor.h"

#include <algorithm>

using namespace mlir::tenon;

static int64_t elementCount(llvm::ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

HostTensor HostTensor::floats(llvm::ArrayRef<int64_t> shape, std::vector<float> values) {
  assert(static_cast<int64_t>(values.size()) == elementCount(shape));
  HostTensor tensor;
  tensor.sizes.assign(shape.begin(), shape.end());
  tensor.floatValues = std::make_shared<const std::vector<float>>(std::move(values));
  return tensor;
}

HostTensor HostTensor::ints(llvm::ArrayRef<int64_t> shape, std::vector<int32_t> values) {
  assert(static_cast<int64_t>(values.size()) == elementCount(shape));
  HostTensor tensor;
  tensor.sizes.assign(shape.begin(), shape.end());
  tensor.intValues = std::make_shared<const std::vector<int32_t>>(std::move(values));
  return tensor;
}

HostTensor HostTensor::stored(llvm::ArrayRef<int64_t> shape, RowReader reader) {
  HostTensor tensor;
  tensor.sizes.assign(shape.begin(), shape.end());
  tensor.reader = std::move(reader);
  return tensor;
}

HostTensor HostTensor::cache(HostKvCache &cache) { return kv(cache, -1); }

HostTensor HostTensor::kv(HostKvCache &cache, int64_t layer) {
  HostTensor tensor;
  tensor.kvCache = &cache;
  tensor.kvLayer = layer;
  return tensor;
}

int64_t HostTensor::rowElements() const {
  return elementCount(llvm::ArrayRef<int64_t>(sizes).drop_front());
}

void HostTensor::readRow(int64_t row, llvm::MutableArrayRef<float> out) const {
  if (isStored())
    return reader(row, out);
  const auto *first = floats().data() + row * static_cast<int64_t>(out.size());
  std::copy(first, first + out.size(), out.begin());
}

std::vector<float> HostTensor::toFloats() const {
  if (isFloats())
    return *floatValues;
  const int64_t rows = sizes.size() == 1 ? 1 : sizes[0];
  std::vector<float> values(elementCount(sizes));
  const int64_t columns = rows ? values.size() / rows : 0;
  for (int64_t row = 0; row < rows; ++row)
    readRow(row, llvm::MutableArrayRef<float>(values).slice(row * columns, columns));
  return values;
}
