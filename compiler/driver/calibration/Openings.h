//===- Openings.h - Beginnings of texts for a model to go on ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_CALIBRATION_OPENINGS_H
#define TENON_COMPILER_DRIVER_CALIBRATION_OPENINGS_H

#include "llvm/ADT/ArrayRef.h"

#include <string_view>

namespace tenon::compiler {

/// First words of prose, letters, instructions, code, numbers, tables and other languages, written
/// for Tenon. None of them comes from the text that accuracy is measured on.
extern const llvm::ArrayRef<std::string_view> kOpenings;

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_CALIBRATION_OPENINGS_H
