//===- PlanVerifiers.cpp - What must hold of a plan -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/plan/CpuKernels.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::plan;

static constexpr uint64_t kAlignment = 64;
static constexpr int64_t kRowMultiple = 16; // T and S

LogicalResult ModelOp::verify() {
  auto isToken = [&](int64_t id) { return id >= 0 && static_cast<uint64_t>(id) < getVocabulary(); };
  if (getBos() && !isToken(*getBos()))
    return emitOpError("bos ") << *getBos() << " is not a token of " << getVocabulary();
  for (int64_t id : getEos())
    if (!isToken(id))
      return emitOpError("eos ") << id << " is not a token of " << getVocabulary();
  return success();
}

LogicalResult LimitsOp::verify() {
  auto check = [&](StringRef what, uint64_t standard, uint64_t most) -> LogicalResult {
    if (standard > most)
      return emitOpError() << "default " << what << " " << standard << " exceed the maximum "
                           << most;
    if (standard % kRowMultiple || most % kRowMultiple)
      return emitOpError() << what << " must be multiples of " << kRowMultiple;
    return success();
  };
  return success(succeeded(check("step tokens", getDefaultStepTokens(), getMaxStepTokens())) &&
                 succeeded(check("sequences", getDefaultSequences(), getMaxSequences())));
}

LogicalResult KvOp::verify() {
  const uint64_t bytes =
      2 * getLayers() * getKvHeads() * getHeadDim() * getBlockTokens() * getElementBytes();
  if (getBytesPerBlock() != bytes)
    return emitOpError("bytes_per_block is ")
           << getBytesPerBlock() << ", but keys and values of a block take " << bytes;
  return success();
}

LogicalResult BufferOp::verify() {
  if (!getOffset().isAligned(kAlignment) || !getSize().isAligned(kAlignment))
    return emitOpError(
        "offset and size must be multiples of 64 bytes for T and S that are multiples of 16");
  return success();
}

LogicalResult ChipOp::verifyRegions() {
  for (Operation &op : getBody().front()) {
    auto buffer = dyn_cast<BufferOp>(op);
    if (!buffer)
      return op.emitOpError("does not belong in a plan.chip");
    if (!buffer.getOffset().plus(buffer.getSize()).fitsIn(getArena()))
      return buffer.emitOpError("does not lie within the arena ") << getArena();
  }
  return success();
}

LogicalResult WeightOp::verify() {
  const auto format = static_cast<::tenon::WeightFormat>(getFormat());
  const ::tenon::FormatInfo info = ::tenon::formatInfo(format);
  if (getRows() == 0 || getColumns() == 0 || getColumns() % info.kMultiple)
    return emitOpError() << "columns " << getColumns() << " must be a non-zero multiple of "
                         << info.kMultiple;
  // Sizes of hostile plans must not overflow: 2^40 elements are beyond any model.
  if (getRows() > (1ull << 40) / getColumns())
    return emitOpError("is larger than 2^40 elements");
  uint64_t bytes = getRows() * getColumns() * sizeof(float);
  if (getPacked())
    bytes = ::tenon::packedBytes(format, getRows(), getColumns());
  else if (format != ::tenon::WeightFormat::F32)
    return emitOpError("that is not packed must be f32");
  if (getSize() != bytes)
    return emitOpError("size is ") << getSize() << ", but its format and shape take " << bytes;
  if (getOffset() % kAlignment)
    return emitOpError("offset must be a multiple of 64");
  return success();
}

LogicalResult KernelOp::verify() {
  std::string error;
  if (failed(specFromAttr(getKind(), getSpec(), error)))
    return emitOpError() << error;
  return success();
}

LogicalResult FunctionOp::verifyRegions() {
  for (Operation &op : getBody().front())
    if (!isa<LaunchOp>(op))
      return op.emitOpError("does not belong in a plan.function");
  return success();
}

/// The buffer that an SPMD program calls `name`, on chip 0.
static BufferOp lookupBuffer(EngineOp engine, FlatSymbolRefAttr name) {
  for (ChipOp chip : engine.getOps<ChipOp>())
    return dyn_cast_or_null<BufferOp>(SymbolTable::lookupSymbolIn(chip, name));
  return nullptr;
}

/// A weight given for a slot must be what the kernel was emitted for.
static LogicalResult checkWeight(Operation *op, const KernelSlot &slot, WeightOp weight) {
  if (static_cast<::tenon::WeightFormat>(weight.getFormat()) == slot.format &&
      weight.getRows() == slot.weightRows && weight.getColumns() == slot.weightColumns &&
      weight.getPacked() == slot.packed)
    return success();
  return op->emitOpError("gives @")
         << weight.getSymName() << " (" << stringifyWeightFormat(weight.getFormat()) << ", "
         << weight.getRows() << " x " << weight.getColumns()
         << (weight.getPacked() ? ", packed" : "") << ") for '" << slot.name << "', which is "
         << StringRef(::tenon::formatInfo(slot.format).name) << ", " << slot.weightRows << " x "
         << slot.weightColumns << (slot.packed ? ", packed" : "");
}

/// Spec of the kernel that a launch names; nothing if it does not resolve or is malformed.
static FailureOr<::tenon::cpu::KernelSpec> specOf(LaunchOp launch, SymbolTableCollection &tables) {
  auto engine = launch->getParentOfType<EngineOp>();
  auto kernel = tables.lookupSymbolIn<KernelOp>(engine, launch.getKernelAttr());
  std::string error;
  if (!kernel)
    return failure();
  return specFromAttr(kernel.getKind(), kernel.getSpec(), error);
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto engine = (*this)->getParentOfType<EngineOp>();
  if (!tables.lookupSymbolIn<KernelOp>(engine, getKernelAttr()))
    return emitOpError("names no kernel: ") << getKernelAttr();
  auto spec = specOf(*this, tables);
  if (failed(spec))
    return success(); // The kernel's own verifier reports it.
  SmallVector<KernelSlot> slots = kernelSlots(*spec);
  if (slots.size() != getArgs().size())
    return emitOpError("has ") << getArgs().size() << " pointers, but "
                               << kernelKindName(spec->kind) << " takes " << slots.size();
  for (auto [slot, attr] : llvm::zip(slots, getArgs())) {
    auto arg = cast<ArgAttr>(attr);
    auto wrong = [&](StringRef wanted) {
      return emitOpError("pointer '")
             << slot.name << "' must be " << wanted << ", not " << stringifyArgKind(arg.getKind());
    };
    if (slot.role == SlotRole::KPool || slot.role == SlotRole::VPool) {
      ArgKind wanted = slot.role == SlotRole::KPool ? ArgKind::KPool : ArgKind::VPool;
      if (arg.getKind() != wanted)
        return wrong(stringifyArgKind(wanted));
    } else if (slot.role == SlotRole::Weight) {
      if (arg.getKind() == ArgKind::LayerWeight)
        continue; // The calls check it.
      if (arg.getKind() != ArgKind::Weight)
        return wrong("a weight");
      auto weight = tables.lookupSymbolIn<WeightOp>(engine, arg.getSymbol());
      if (!weight)
        return emitOpError("names no weight: ") << arg.getSymbol();
      if (failed(checkWeight(*this, slot, weight)))
        return failure();
    } else {
      if (arg.getKind() != ArgKind::Buffer)
        return wrong("a buffer");
      BufferOp buffer = lookupBuffer(engine, arg.getSymbol());
      if (!buffer)
        return emitOpError("names no buffer: ") << arg.getSymbol();
      const bool tokens = slot.rows == RowDomain::Tokens;
      auto needed = ExtentAttr::get(getContext(), 0, tokens ? slot.rowBytes : 0,
                                    tokens ? 0 : slot.rowBytes, slot.workerBytes);
      if (!needed.fitsIn(buffer.getSize()))
        return emitOpError("pointer '") << slot.name << "' needs " << needed << ", but buffer "
                                        << arg.getSymbol() << " has " << buffer.getSize();
    }
  }
  return success();
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto engine = (*this)->getParentOfType<EngineOp>();
  auto function = tables.lookupSymbolIn<FunctionOp>(engine, getFunctionAttr());
  if (!function)
    return emitOpError("names no function: ") << getFunctionAttr();
  SmallVector<WeightOp> weights;
  for (Attribute name : getWeights()) {
    weights.push_back(tables.lookupSymbolIn<WeightOp>(engine, cast<FlatSymbolRefAttr>(name)));
    if (!weights.back())
      return emitOpError("names no weight: ") << name;
  }
  for (LaunchOp launch : function.getBody().getOps<LaunchOp>()) {
    auto spec = specOf(launch, tables);
    if (failed(spec))
      continue;
    SmallVector<KernelSlot> slots = kernelSlots(*spec);
    for (auto [slot, attr] : llvm::zip(slots, launch.getArgs())) {
      auto arg = cast<ArgAttr>(attr);
      if (arg.getKind() == ArgKind::LayerWeight && slot.role == SlotRole::Weight) {
        if (arg.getIndex() >= weights.size())
          return emitOpError("gives ")
                 << weights.size() << " weights, but launch \"" << launch.getName()
                 << "\" uses layer_weight " << arg.getIndex();
        if (failed(checkWeight(*this, slot, weights[arg.getIndex()])))
          return failure();
      }
      if (slot.role == SlotRole::KPool && getKvLayer() >= engine.getKv().getLayers())
        return emitOpError("kv_layer ")
               << getKvLayer() << " is not below " << engine.getKv().getLayers();
    }
  }
  return success();
}

/// Exactly one op of the kind.
template <typename OpT> static LogicalResult checkOne(EngineOp engine) {
  const auto count = llvm::range_size(engine.getOps<OpT>());
  if (count == 1)
    return success();
  return engine.emitOpError("must hold exactly one ")
         << OpT::getOperationName() << ", not " << count;
}

/// All chips have the buffers of the first, by name and order.
static LogicalResult checkChips(EngineOp engine) {
  int64_t points = 1;
  for (int64_t dim : engine.getGrid()) {
    if (dim < 1 || dim > 65536 || points > 65536)
      return engine.emitOpError("grid dimensions must be between 1 and 65536");
    points *= dim;
  }
  SmallVector<ChipOp> chips(engine.getOps<ChipOp>());
  if (static_cast<int64_t>(chips.size()) != points)
    return engine.emitOpError("grid has ")
           << points << " points, but there are " << chips.size() << " chips";
  auto names = [](ChipOp chip) {
    return llvm::to_vector(llvm::map_range(chip.getBody().getOps<BufferOp>(), [](BufferOp buffer) {
      return buffer.getSymNameAttr();
    }));
  };
  for (auto [index, chip] : llvm::enumerate(chips)) {
    if (chip.getId() != index)
      return chip.emitOpError("is number ") << index << " of the grid and must have that id";
    if (names(chip) != names(chips.front()))
      return chip.emitOpError(
          "has other buffers than chip 0; the program is the same on every chip");
  }
  return success();
}

/// Stored weights lie within the chip's weights section; neither stored nor made ones overlap.
static LogicalResult checkWeightRanges(EngineOp engine, bool made) {
  SmallVector<WeightOp> weights;
  for (WeightOp weight : engine.getOps<WeightOp>())
    if (weight.getSeed().has_value() == made)
      weights.push_back(weight);
  llvm::sort(weights, [](WeightOp a, WeightOp b) { return a.getOffset() < b.getOffset(); });
  const uint64_t most = made ? uint64_t(1) << 62 : engine.getFirstChip().getWeightsBytes();
  uint64_t end = 0;
  WeightOp before;
  for (WeightOp weight : weights) {
    if (weight.getOffset() < end)
      return weight.emitOpError("overlaps @") << before.getSymName();
    if (weight.getOffset() > most || weight.getSize() > most - weight.getOffset())
      return weight.emitOpError("ends after the ") << most << " bytes of the chip's weights";
    end = weight.getOffset() + weight.getSize();
    before = weight;
  }
  return success();
}

LogicalResult EngineOp::verifyRegions() {
  for (Operation &op : getBody().front())
    if (!isa<ModelOp, LimitsOp, ChipOp, KvOp, WeightOp, KernelOp, FunctionOp, CallOp, CheckOp>(op))
      return op.emitOpError("does not belong in a plan.engine");
  if (failed(checkOne<ModelOp>(*this)) || failed(checkOne<LimitsOp>(*this)) ||
      failed(checkOne<KvOp>(*this)) || failed(checkChips(*this)) ||
      failed(checkWeightRanges(*this, /*made=*/false)) ||
      failed(checkWeightRanges(*this, /*made=*/true)))
    return failure();
  BufferOp logits = lookupBuffer(*this, getLogitsAttr());
  if (!logits)
    return emitOpError("names no logits buffer: ") << getLogitsAttr();
  const uint64_t rowBytes = uint64_t(getModel().getVocabulary()) * sizeof(float);
  if (logits.getSize().getPerLogitRow() < rowBytes)
    return emitOpError("logits buffer has ")
           << logits.getSize() << ", but a row takes " << rowBytes << " bytes";
  return success();
}
