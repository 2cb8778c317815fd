//===- Explain.h - What the shard stage did and why -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_PASSES_SHARD_EXPLAIN_H
#define TENON_PASSES_SHARD_EXPLAIN_H

#include "mlir/IR/Operation.h"

namespace mlir::tenon {

/// Remarks of category "shard": `text` says what `pass` (a literal) cut at `op`, or did not and
/// why.
void explainCut(Operation *op, StringRef pass, const Twine &text);
void explainWhole(Operation *op, StringRef pass, const Twine &text);

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_EXPLAIN_H
