//===- PackRequest.h - What every packer checks first -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_PACKREQUEST_H
#define TENON_COMPILER_PACK_PACKREQUEST_H

#include "frontends/Checkpoint.h"

#include "llvm/ADT/Twine.h"

namespace tenon::compiler {

/// An error about `tensor`.
llvm::Error packError(const frontend::Tensor &tensor, const llvm::Twine &message);

/// Whether rows `firstRow` to `firstRow + rowCount` of `tensor` in `rowOrder` can go to `out` as
/// panels of `format`: there is data, and ranges, order and sizes fit.
llvm::Error checkPackRequest(const frontend::Tensor &tensor, WeightFormat format,
                             llvm::ArrayRef<uint32_t> rowOrder, uint64_t firstRow,
                             uint64_t rowCount, llvm::ArrayRef<uint8_t> out);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_PACKREQUEST_H
