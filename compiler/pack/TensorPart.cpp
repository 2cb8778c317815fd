//===- TensorPart.cpp - A chip's part of a checkpoint tensor --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/TensorPart.h"

#include "frontends/gguf/GgufFormat.h"
#include "runtime/engine/WeightFormat.h"

#include <cstring>

namespace tenon::compiler {

llvm::Expected<frontend::Tensor> copyPart(const frontend::Tensor &tensor,
                                          llvm::ArrayRef<uint32_t> rowOrder, const TensorPart &part,
                                          std::vector<uint8_t> &storage) {
  const auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError("tensor '" + tensor.name + "': " + why);
  };
  if (!part.isWithin(tensor))
    return fail("rows " + llvm::Twine(part.firstRow) + " to " +
                llvm::Twine(part.firstRow + part.rows) + " and columns " +
                llvm::Twine(part.firstColumn) + " to " +
                llvm::Twine(part.firstColumn + part.columns) + " are wanted of " +
                llvm::Twine(tensor.rows) + " x " + llvm::Twine(tensor.columns));
  const uint64_t multiple = formatInfo(tensor.format).kMultiple;
  if (part.firstColumn % multiple || part.columns % multiple)
    return fail("a chip's columns " + llvm::Twine(part.firstColumn) + " to " +
                llvm::Twine(part.firstColumn + part.columns) + " do not lie between blocks of " +
                llvm::Twine(multiple));
  const uint64_t rowBytes = frontend::storedRowBytes(tensor.format, tensor.columns);
  const uint64_t skipped = frontend::storedRowBytes(tensor.format, part.firstColumn);
  const uint64_t partBytes = frontend::storedRowBytes(tensor.format, part.columns);
  if (tensor.data.size() != rowBytes * tensor.rows)
    return fail("it holds " + llvm::Twine(tensor.data.size()) + " bytes of data, its shape needs " +
                llvm::Twine(rowBytes * tensor.rows));
  storage.resize(part.rows * partBytes);
  for (uint64_t r = 0; r < part.rows; ++r) {
    const uint64_t row = rowOrder.empty() ? part.firstRow + r : rowOrder[part.firstRow + r];
    std::memcpy(storage.data() + r * partBytes, tensor.data.data() + row * rowBytes + skipped,
                partBytes);
  }
  frontend::Tensor copy = tensor;
  copy.rows = part.rows;
  copy.columns = part.columns;
  copy.data = storage;
  return copy;
}

} // namespace tenon::compiler
