//===- GridChoice.h - How many chips, and how they share --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_GRIDCHOICE_H
#define TENON_COMPILER_DRIVER_GRIDCHOICE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace tenon::compiler {

/// Shape of the grid of chips, and how many there are of it.
struct GridChoice {
  int64_t tensor = 1;   ///< Chips that share each layer.
  int64_t pipeline = 1; ///< Stages of consecutive layers.
  int64_t replicas = 1; ///< Such grids, each with requests of its own.
  int64_t chipsOfReplica() const { return tensor * pipeline; }
  int64_t chips() const { return replicas * chipsOfReplica(); }
  /// "tp=2,pp=2", or "dp=2,tp=2,pp=2" where there are several replicas.
  std::string text() const;
};

/// Reads "dp=2,tp=2,pp=2" (any part may be left out). Errors say what is possible.
llvm::Expected<GridChoice> parseSharding(llvm::StringRef text);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_GRIDCHOICE_H
