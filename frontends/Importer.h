//===- Importer.h - A checkpoint as a tenon module --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// From a checkpoint's hyperparameters and tensor directory to a module of the `tenon` dialect. No
// weight data is read: weights are symbols with the checkpoint's tensor names, and the packer finds
// their bytes by these names.
//
#ifndef TENON_FRONTENDS_IMPORTER_H
#define TENON_FRONTENDS_IMPORTER_H

#include "frontends/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace tenon::frontend {

/// Names of weights that no checkpoint holds: inverse rotary frequencies, made by the recipe.
inline constexpr llvm::StringLiteral kRotaryFrequencies = "rope.inv_freq";
inline constexpr llvm::StringLiteral kLocalRotaryFrequencies = "rope.inv_freq_local";

struct ImportOptions {
  uint64_t maxContext = 0; ///< Most positions of a sequence; 0: the checkpoint's context length.
};

/// Builds the module that docs/architecture.md shows: a grid of one chip, weights in order of use,
/// one private function per kind of layer (equal formats and window), and `@step`. The needed
/// dialects are loaded into `context`. The result is verified. Fails if `maxContext` exceeds the
/// checkpoint's.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> importCheckpoint(mlir::MLIRContext &context,
                                                                   const Checkpoint &checkpoint,
                                                                   const ImportOptions &options);

/// True if the rows of the weight `name` must be permuted with `rotaryRowOrder` when they are
/// packed: query and key matrices of checkpoints with interleaved rotary pairs. `heads` is then how
/// many there are.
bool needsRotaryRowOrder(const Checkpoint &checkpoint, llvm::StringRef name, uint32_t &heads);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_IMPORTER_H
