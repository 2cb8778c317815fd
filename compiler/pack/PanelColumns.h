//===- PanelColumns.h - Some columns of packed panels -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_PANELCOLUMNS_H
#define TENON_COMPILER_PACK_PANELCOLUMNS_H

#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace tenon::compiler {

/// Columns [firstColumn, firstColumn + count) of panels of `columns` columns, as panels of their
/// own: chips that share a matrix by columns have the values of the whole one, row scales included.
/// `format` is one that `reblockMatrix` makes; `firstColumn` and `count` are multiples of 32 and of
/// the format's group, or `count` is the rest of the row. `whole` and `out` hold equal numbers of
/// panels.
void copyPanelColumns(WeightFormat format, llvm::ArrayRef<uint8_t> whole, uint64_t columns,
                      uint64_t firstColumn, uint64_t count, llvm::MutableArrayRef<uint8_t> out);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_PANELCOLUMNS_H
