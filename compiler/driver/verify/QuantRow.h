//===- QuantRow.h - Quantised rows in plain C++ -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_VERIFY_QUANTROW_H
#define TENON_COMPILER_DRIVER_VERIFY_QUANTROW_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace tenon::compiler {

/// Writes the row `x` as runtime/device/cpu/KernelAbi.h describes (QuantRowLayout) for 15 or 8
/// bits, and the values that it stands for over `x`.
void quantizeRow(llvm::MutableArrayRef<float> x, uint8_t *row, uint32_t bits);

/// The values that a row stands for.
void dequantizeRow(const uint8_t *row, llvm::MutableArrayRef<float> out, uint32_t bits);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_QUANTROW_H
