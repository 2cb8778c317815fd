//===- WeightUse.h - Formats before and after packing -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_WEIGHTUSE_H
#define TENON_COMPILER_DRIVER_WEIGHTUSE_H

#include "frontends/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <vector>

namespace tenon::compiler {

/// All matrices that come in one format and go into one.
struct WeightUse {
  WeightFormat from, to;
  uint64_t matrices = 0, elements = 0;
  uint64_t storedBytes = 0; ///< In the checkpoint; 0 if weights are made at load.
  uint64_t packedBytes = 0; ///< In the engine, padding included.
  double bitsPerWeight() const { return elements ? 8.0 * packedBytes / elements : 0; }
};

/// What becomes of the checkpoint's matrices in `module`, by format.
std::vector<WeightUse> weightUses(mlir::ModuleOp module, const frontend::Checkpoint &checkpoint);

/// Whether any matrix is rounded to another format.
bool changesWeights(llvm::ArrayRef<WeightUse> uses);

/// Whether some of them are rounded to a format with row scales.
bool roundsWeights(llvm::ArrayRef<WeightUse> uses);

/// A line for each.
void printWeightUses(llvm::raw_ostream &out, llvm::ArrayRef<WeightUse> uses);
llvm::json::Array weightUsesAsJson(llvm::ArrayRef<WeightUse> uses);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_WEIGHTUSE_H
