//===- Cut.h - How a value is shared out among chips ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The shard stage's view of a sharding: one dimension of a value, cut along the grid's tensor axis
// into one part for each chip. In the IR it is upstream's `shard.shard` with
// `sharded_dims_offsets`, so parts may be uneven; a value without an annotation is whole on every
// chip.
//
#ifndef TENON_PASSES_SHARD_CUT_H
#define TENON_PASSES_SHARD_CUT_H

#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>

namespace mlir::tenon {

/// The grid is [pipeline, tensor]: stages of layers, and chips that share the layers of one.
inline constexpr int16_t kPipelineAxis = 0, kTensorAxis = 1;
inline constexpr StringLiteral kGridName = "chips";

/// Parts of one dimension of a value, in elements of that dimension.
struct Cut {
  struct Part {
    int64_t begin, size;
    bool operator==(const Part &) const = default;
  };
  unsigned dim = 0;
  SmallVector<Part, 8> parts; ///< By chip along the tensor axis. Parts may overlap.

  bool operator==(const Cut &) const = default;

  /// Parts between consecutive `offsets`.
  static Cut between(unsigned dim, ArrayRef<int64_t> offsets);

  /// The same parts of a dimension that has `to` elements where this one has `from`; nothing if an
  /// edge would not lie on an element.
  std::optional<Cut> scaled(unsigned newDim, int64_t from, int64_t to) const;

  /// True if the parts follow each other without gap or overlap.
  bool isContiguous() const;
  /// Edges of contiguous parts: one more than there are parts.
  SmallVector<int64_t> offsets() const;
  /// "[0, 6, 9]", or "[0..1, 0..1]" where parts overlap.
  std::string text() const;
};

/// Cuts `total` elements into `parts` at multiples of `granule`, as evenly as that allows, larger
/// parts first; nothing if there are fewer granules than parts.
std::optional<SmallVector<int64_t>> evenOffsets(int64_t total, int64_t granule, int64_t parts);

/// What a `shard.shard` says, or nothing if it cuts nothing. Fails with an error at the op if it
/// says what this stage has no form for (two axes, two dimensions, halos, dynamic offsets).
FailureOr<std::optional<Cut>> cutOf(shard::ShardOp op);

/// Annotates `value` with a contiguous cut and returns the annotated value, for its users.
Value annotate(OpBuilder &builder, Location loc, Value value, const Cut &cut);

/// Chips along an axis of the module's grid; 1 if there is none.
int64_t gridSize(Operation *module, int16_t axis);

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_CUT_H
