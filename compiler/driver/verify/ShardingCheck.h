//===- ShardingCheck.h - The programs of chips against the model -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The second half of `--verify` where a model is on several chips. RegionCheck.h holds each
// program's kernels against the reference of its regions; this holds the programs together against
// the model on one chip: both are evaluated by reference on the same two steps, all weights as they
// are, and what chips know together (every collective's result, every layer's, the logits) is
// compared.
//
#ifndef TENON_COMPILER_DRIVER_VERIFY_SHARDINGCHECK_H
#define TENON_COMPILER_DRIVER_VERIFY_SHARDINGCHECK_H

#include "compiler/driver/verify/RegionCheck.h"

namespace tenon::compiler {

struct ShardingCheck {
  /// The worst of each region over layers, chips and steps: the one that comes nearest to what its
  /// layer may differ by. That is the same for all layers, unless parts of sums are rounded: then
  /// each layer adds what rounding costs.
  std::vector<RegionCheck> regions;
  double meanKl = 0; ///< Of the logits: KL(one chip || chips), mean over rows.
};

/// `whole` is the fused module for one chip, `programs` the fused module of the shard stage. Fails
/// if either cannot be evaluated.
llvm::Expected<ShardingCheck> checkSharding(mlir::ModuleOp whole, mlir::ModuleOp programs,
                                            const frontend::Checkpoint &checkpoint);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_SHARDINGCHECK_H
