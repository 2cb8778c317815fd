//===- AccuracyCheck.h - What rounding costs       --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// An engine whose weights are not the checkpoint's, or whose activations have 8 bits, says how much
// that changes its answers: its next-token distributions on a text against those of an engine that
// rounds neither.
//
#ifndef TENON_COMPILER_DRIVER_ACCURACY_ACCURACYCHECK_H
#define TENON_COMPILER_DRIVER_ACCURACY_ACCURACYCHECK_H

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/Progress.h"
#include "compiler/driver/ReferenceEngine.h"
#include "compiler/driver/Targets.h"
#include "compiler/driver/accuracy/Divergence.h"
#include "frontends/Checkpoint.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <optional>
#include <string>

namespace tenon::compiler {

struct CalibrationText {
  std::string name; ///< "bundled text", or the file's name.
  std::string content;
};

/// The file of --calibration-text, or the bundled text.
llvm::Expected<CalibrationText> loadCalibrationText(const CompileOptions &options);

/// Figures, or why there are none.
struct AccuracyReport {
  std::optional<Divergence> divergence;
  std::string text;    ///< Name of the text that was read.
  std::string skipped; ///< Without figures: the reason.
};

/// Most tokens of a text that are read.
inline constexpr uint64_t kMostCalibrationTokens = 4096;

/// Compares `draft`, an engine for `target` with everything but its card, with `reference`. A
/// target that this machine cannot run, or a model without tokenizer or data, gives a reason
/// instead of figures.
llvm::Expected<AccuracyReport> checkAccuracy(ReferenceEngine &reference, const Target &target,
                                             const CalibrationText &text, const std::string &draft,
                                             Progress &progress);

llvm::json::Object accuracyAsJson(const AccuracyReport &report);

/// One line for people.
void printAccuracy(llvm::raw_ostream &out, const AccuracyReport &report);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_ACCURACY_ACCURACYCHECK_H
