//===- Calibration.h - A model's own text, and what it computes -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Rounding wants to know what enters the matrices. The model itself writes the text: it goes on
// from bundled beginnings, with tokens drawn from its own distribution, so that the text is of the
// kind that the model knows. Kernels, draws and their seed are fixed: the same checkpoint gives the
// same inputs on every machine.
//
#ifndef TENON_COMPILER_DRIVER_CALIBRATION_CALIBRATION_H
#define TENON_COMPILER_DRIVER_CALIBRATION_CALIBRATION_H

#include "compiler/driver/Progress.h"
#include "compiler/driver/ReferenceEngine.h"
#include "compiler/pack/InputSource.h"

#include <memory>
#include <string>

namespace tenon::compiler {

/// Sequences that are written at a time, and tokens of each.
inline constexpr uint32_t kCalibrationSequences = 16, kCalibrationLength = 128;

/// Runs `reference` and keeps the inputs of its matrices in a file beside `path`: 2 bytes a value
/// and token.
llvm::Expected<std::unique_ptr<InputSource>> calibrate(ReferenceEngine &reference,
                                                       const std::string &path, Progress &progress);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_CALIBRATION_CALIBRATION_H
