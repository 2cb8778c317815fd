//===- GridChoice.h - How many chips, and how they share --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_GRIDCHOICE_H
#define TENON_COMPILER_DRIVER_GRIDCHOICE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace tenon::compiler {

/// Shape of the grid of chips.
struct GridChoice {
  int64_t tensor = 1;   ///< Chips that share each layer.
  int64_t pipeline = 1; ///< Stages of consecutive layers.
  int64_t chips() const { return tensor * pipeline; }
  /// "tp=2,pp=2".
  std::string text() const;
};

/// Reads "tp=2,pp=2" (either part may be left out). Errors say what is possible.
llvm::Expected<GridChoice> parseSharding(llvm::StringRef text);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_GRIDCHOICE_H
