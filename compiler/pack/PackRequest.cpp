//===- PackRequest.cpp - What every packer checks first -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/PackRequest.h"

#include "frontends/gguf/GgufFormat.h"

namespace tenon::compiler {

using llvm::Error;
using llvm::Twine;

Error packError(const frontend::Tensor &tensor, const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "cannot pack tensor '" + tensor.name + "': " + message);
}

Error checkPackRequest(const frontend::Tensor &tensor, WeightFormat format,
                       llvm::ArrayRef<uint32_t> rowOrder, uint64_t firstRow, uint64_t rowCount,
                       llvm::ArrayRef<uint8_t> out) {
  const uint64_t rowBytes = frontend::storedRowBytes(tensor.format, tensor.columns);
  if (tensor.data.empty() || tensor.data.size() != rowBytes * tensor.rows)
    return packError(tensor, "it holds " + Twine(tensor.data.size()) +
                                 " bytes of data, but its shape needs " +
                                 Twine(rowBytes * tensor.rows) +
                                 " (a checkpoint with random weights has none to pack)");
  if (firstRow > tensor.rows || rowCount > tensor.rows - firstRow)
    return packError(tensor, "rows " + Twine(firstRow) + " to " + Twine(firstRow + rowCount) +
                                 " are wanted of " + Twine(tensor.rows));
  if (!rowOrder.empty() && rowOrder.size() != tensor.rows)
    return packError(tensor, "the row order has " + Twine(rowOrder.size()) + " entries for " +
                                 Twine(tensor.rows) + " rows");
  for (uint32_t row : rowOrder)
    if (row >= tensor.rows)
      return packError(tensor,
                       "the row order names row " + Twine(row) + " of " + Twine(tensor.rows));
  if (out.size() != packedBytes(format, rowCount, tensor.columns))
    return packError(tensor, "the output has " + Twine(out.size()) +
                                 " bytes, but the panels need " +
                                 Twine(packedBytes(format, rowCount, tensor.columns)));
  return Error::success();
}

} // namespace tenon::compiler
