//===- WeightChoice.h - What `--weights` means ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_WEIGHTCHOICE_H
#define TENON_COMPILER_DRIVER_WEIGHTCHOICE_H

#include "compiler/driver/CompileOptions.h"
#include "runtime/engine/WeightFormat.h"

#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace tenon::compiler {

/// Formats that matrices are rounded to; nothing keeps them as the checkpoint has them.
struct WeightChoice {
  std::optional<WeightFormat> layers;    ///< Matrices within layers.
  std::optional<WeightFormat> embedding; ///< The embedding table and the logits matrix.
  /// Whether the choice is a width (q4): no matrix gets larger, and the checkpoint's mix is
  /// followed
  /// (`tenon-reblock-weights`). A format that was named is what matrices get.
  bool layersAtMost = false, embeddingAtMost = false;
  bool changesAnything() const { return layers || embedding; }
};

/// Reads `--weights` and `--embedding-weights`. The error names the option and what it can be.
llvm::Expected<WeightChoice> chooseWeights(const CompileOptions &options);

/// A format's name; empty for none.
std::string formatName(std::optional<WeightFormat> format);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_WEIGHTCHOICE_H
