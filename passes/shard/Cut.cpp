//===- Cut.cpp - How a value is shared out among chips --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Cut.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::tenon;

Cut Cut::between(unsigned dim, ArrayRef<int64_t> offsets) {
  Cut cut;
  cut.dim = dim;
  for (auto [begin, end] : llvm::zip(offsets.drop_back(), offsets.drop_front()))
    cut.parts.push_back({begin, end - begin});
  return cut;
}

std::optional<Cut> Cut::scaled(unsigned newDim, int64_t from, int64_t to) const {
  Cut result;
  result.dim = newDim;
  for (Part part : parts) {
    if (part.begin * to % from || part.size * to % from)
      return std::nullopt;
    result.parts.push_back({part.begin * to / from, part.size * to / from});
  }
  return result;
}

bool Cut::isContiguous() const {
  for (auto [a, b] : llvm::zip(ArrayRef(parts).drop_back(), ArrayRef(parts).drop_front()))
    if (a.begin + a.size != b.begin)
      return false;
  return !parts.empty() && parts.front().begin == 0;
}

SmallVector<int64_t> Cut::offsets() const {
  SmallVector<int64_t> result;
  for (Part part : parts)
    result.push_back(part.begin);
  result.push_back(parts.back().begin + parts.back().size);
  return result;
}

std::string Cut::text() const {
  std::string text = "[";
  llvm::raw_string_ostream out(text);
  if (isContiguous())
    llvm::interleaveComma(offsets(), out);
  else
    llvm::interleaveComma(parts, out,
                          [&](Part part) { out << part.begin << ".." << part.begin + part.size; });
  out << "]";
  return text;
}

std::optional<SmallVector<int64_t>> mlir::tenon::evenOffsets(int64_t total, int64_t granule,
                                                             int64_t parts) {
  // A last granule may be short (a vocabulary of 50,257 in panels of 16).
  const int64_t granules = (total + granule - 1) / granule;
  if (granules < parts)
    return std::nullopt;
  SmallVector<int64_t> offsets = {0};
  for (int64_t part = 0; part < parts; ++part)
    offsets.push_back(
        std::min(total, offsets.back() + granule * (granules / parts + (part < granules % parts))));
  return offsets;
}

FailureOr<std::optional<Cut>> mlir::tenon::cutOf(shard::ShardOp op) {
  auto sharding = op.getSharding().getDefiningOp<shard::ShardingOp>();
  if (!sharding)
    return op.emitOpError("has no shard.sharding beside it");
  std::optional<unsigned> dim;
  for (auto [index, axes] : llvm::enumerate(sharding.getSplitAxes())) {
    if (axes.asArrayRef().empty())
      continue;
    if (dim || axes.asArrayRef().size() != 1 || axes.asArrayRef().front() != kTensorAxis)
      return sharding.emitOpError("must cut one dimension along axis ")
             << kTensorAxis << " of the grid, the tensor axis";
    dim = index;
  }
  if (!sharding.getStaticHaloSizes().empty() || !sharding.getDynamicShardedDimsOffsets().empty())
    return sharding.emitOpError("has halos or dynamic offsets; parts here have static edges");
  if (!dim)
    return std::optional<Cut>();

  auto type = cast<RankedTensorType>(op.getType());
  if (*dim >= static_cast<unsigned>(type.getRank()) || type.isDynamicDim(*dim))
    return op.emitOpError("cuts dimension ")
           << *dim << " of " << type << ", which has no such static dimension";
  const int64_t chips = gridSize(op->getParentOfType<ModuleOp>(), kTensorAxis);
  const int64_t size = type.getDimSize(*dim);
  SmallVector<int64_t> offsets(sharding.getStaticShardedDimsOffsets());
  if (offsets.empty()) {
    if (size % chips)
      return op.emitOpError("cuts ") << size << " elements evenly among " << chips
                                     << " chips; give sharded_dims_offsets for uneven parts";
    for (int64_t i = 0; i <= chips; ++i)
      offsets.push_back(size / chips * i);
  }
  if (static_cast<int64_t>(offsets.size()) != chips + 1 || offsets.front() != 0 ||
      offsets.back() != size || !llvm::is_sorted(offsets))
    return op.emitOpError("has offsets ")
           << Cut::between(*dim, offsets).text() << ", but the parts of " << size << " elements on "
           << chips << " chips need " << chips + 1 << " edges from 0 to " << size;
  if (llvm::any_of(llvm::zip(ArrayRef(offsets).drop_back(), ArrayRef(offsets).drop_front()),
                   [](auto edge) { return std::get<0>(edge) == std::get<1>(edge); }))
    return op.emitOpError("leaves a chip without a part: ") << Cut::between(*dim, offsets).text();
  return std::optional<Cut>(Cut::between(*dim, offsets));
}

Value mlir::tenon::annotate(OpBuilder &builder, Location loc, Value value, const Cut &cut) {
  SmallVector<shard::GridAxesAttr> axes;
  for (unsigned i = 0; i < cut.dim; ++i)
    axes.push_back(shard::GridAxesAttr::get(builder.getContext(), ArrayRef<int16_t>()));
  axes.push_back(shard::GridAxesAttr::get(builder.getContext(), ArrayRef<int16_t>(kTensorAxis)));
  // Every attribute by its place: the convenience builders take offsets for halos (LLVM 22).
  auto sharding =
      shard::ShardingOp::create(builder, loc, shard::ShardingType::get(builder.getContext()),
                                FlatSymbolRefAttr::get(builder.getContext(), kGridName),
                                shard::GridAxesArrayAttr::get(builder.getContext(), axes),
                                builder.getDenseI64ArrayAttr(cut.offsets()), ValueRange(),
                                builder.getDenseI64ArrayAttr({}), ValueRange());
  return shard::ShardOp::create(builder, loc, value, sharding, /*annotate_for_users=*/false);
}

int64_t mlir::tenon::gridSize(Operation *module, int16_t axis) {
  for (auto grid : cast<ModuleOp>(module).getOps<shard::GridOp>())
    if (grid.getSymName() == kGridName && axis < static_cast<int64_t>(grid.getShape().size()))
      return grid.getShape()[axis];
  return 1;
}
