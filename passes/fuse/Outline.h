//===- Outline.h - Move ops into a fused region -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_PASSES_FUSE_OUTLINE_H
#define TENON_PASSES_FUSE_OUTLINE_H

#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/PatternMatch.h"

#include <string>

namespace mlir::tenon {

/// Moves `ops` (of one block, in any order) into a new `tenon.fused` of `kind`, which stands where
/// the last of them stood. Its inputs are the outside values they read, in order of first use; its
/// outputs the values that others read, in order of definition. Ops in between that read an output
/// are moved behind the region. Fails with `why` and changes nothing if an op outside both reads
/// one of `ops` and feeds another, for then no order of launches exists.
FailureOr<FusedOp> outline(RewriterBase &rewriter, StringRef kind, ArrayRef<Operation *> ops,
                           std::string &why);

/// The only reader of `value` if there is one and it is an `Op`, else null. A reader that reads it
/// twice counts as two.
template <typename Op> Op onlyReader(Value value) {
  return value.hasOneUse() ? dyn_cast<Op>(*value.user_begin()) : Op();
}

/// True if a launch at `sum` may write its result over `residual`: everything else that reads
/// `residual` stands before `sum` in its block. Otherwise says `why` not.
bool mayUpdateInPlace(Value residual, Operation *sum, std::string &why);

} // namespace mlir::tenon

#endif // TENON_PASSES_FUSE_OUTLINE_H
