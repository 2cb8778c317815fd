//===- CalibrationText.h - The bundled text to measure on -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_ACCURACY_CALIBRATIONTEXT_H
#define TENON_COMPILER_DRIVER_ACCURACY_CALIBRATIONTEXT_H

#include <string_view>

namespace tenon::compiler {

/// About a thousand tokens of prose, dialogue, instructions, code, numbers and other languages,
/// written for Tenon.
extern const std::string_view kCalibrationText;

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_ACCURACY_CALIBRATIONTEXT_H
