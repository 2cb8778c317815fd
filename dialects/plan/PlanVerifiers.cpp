//===- PlanVerifiers.cpp - What must hold of a plan -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/plan/CpuKernels.h"
#include "dialects/plan/PlanDialect.h"

#include "llvm/ADT/BitVector.h"
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
    if (!isa<LaunchOp, CollectiveOp>(op))
      return op.emitOpError("does not belong in a plan.function");
  return success();
}

/// The buffer that an SPMD program calls `name`, on the first chip that runs `program`.
static BufferOp lookupBuffer(EngineOp engine, FlatSymbolRefAttr name, uint32_t program = 0) {
  ChipOp chip = engine.getChipOf(program);
  return chip ? dyn_cast_or_null<BufferOp>(SymbolTable::lookupSymbolIn(chip, name)) : BufferOp();
}

/// The program that a launch or collective is part of.
static uint32_t programOf(Operation *op) {
  return op->getParentOfType<EngineOp>().getProgramOf(op->getParentOfType<FunctionOp>());
}

LogicalResult PoolingOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto engine = (*this)->getParentOfType<EngineOp>();
  ChipOp chip = engine.getGrid().empty() ? ChipOp() : engine.getLogitsChip();
  if (!chip || engine.getOps<ModelOp>().empty())
    return success(); // The engine's own verifier reports it.
  ModelOp model = engine.getModel();
  const uint32_t program = chip.getProgramNumber();
  const uint64_t rowBytes = uint64_t(model.getHidden()) * sizeof(float);
  BufferOp buffer = lookupBuffer(engine, getHiddenAttr(), program);
  if (!buffer)
    return emitOpError("names no buffer: ") << getHiddenAttr();
  if (buffer.getSize().getPerToken() < rowBytes)
    return emitOpError("buffer has ")
           << buffer.getSize() << ", but a token's row takes " << rowBytes << " bytes";
  auto weight = tables.lookupSymbolIn<WeightOp>(engine, getNormAttr());
  if (!weight)
    return emitOpError("names no weight: ") << getNormAttr();
  if (weight.getPacked() || weight.getRows() != 1 || weight.getColumns() != model.getHidden() ||
      weight.getProgramNumber() != program)
    return emitOpError("norm must be one plain row of ")
           << model.getHidden() << " columns on the chip that has the logits";
  return success();
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
  SmallVector<KernelSlot> slots = kernelSlots(*spec, getKept());
  if (slots.size() != getArgs().size())
    return emitOpError("has ") << getArgs().size() << " pointers, but "
                               << StringRef(kernelKindName(spec->kind)) << " takes "
                               << slots.size();
  if (getOwnRows() && (*getOwnRows() == 0 || kernelPartition(*spec) != Partition::TokenRows))
    return emitOpError("has own_rows, and only kernels that work row by row can, from a row on");
  if (getKept() && (getOwnRows() || spec->logits))
    return emitOpError("has kept rows, which are every chip's, and no logits");
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
      BufferOp buffer = lookupBuffer(engine, arg.getSymbol(), programOf(*this));
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

LaunchOp CollectiveOp::getProduct() {
  const bool gathers = getKind() == CollectiveKind::GatherRows;
  Operation *beside = gathers ? (*this)->getNextNode() : (*this)->getPrevNode();
  auto launch = dyn_cast_or_null<LaunchOp>(beside);
  if (!launch || launch.getArgs().empty() || (!gathers && getKind() != CollectiveKind::AllReduce))
    return {};
  SymbolTableCollection tables;
  auto spec = specOf(launch, tables);
  if (failed(spec))
    return {};
  using ::tenon::cpu::KernelKind;
  const bool product =
      spec->kind == KernelKind::LinearGate || spec->kind == KernelKind::LinearQkv ||
      (spec->kind == KernelKind::Linear && !spec->logits && !spec->gatherLogitRows);
  auto arg = cast<ArgAttr>(gathers ? launch.getArgs().getValue().front()
                                   : launch.getArgs().getValue().back());
  return product && arg.getKind() == ArgKind::Buffer &&
                 arg.getSymbol() == (gathers ? getTargetAttr() : getSourceAttr())
             ? launch
             : LaunchOp();
}

SmallVector<uint64_t> CollectiveOp::getProductStrides() {
  SymbolTableCollection tables;
  SmallVector<uint64_t> strides;
  for (const KernelSlot &slot : kernelSlots(*specOf(getProduct(), tables)))
    strides.push_back(slot.reads() || slot.writes() ? slot.rowBytes : 0);
  return strides;
}

LogicalResult CollectiveOp::verifySymbolUses(SymbolTableCollection &) {
  auto engine = (*this)->getParentOfType<EngineOp>();
  ArrayRef<int64_t> grid = engine.getGrid(), columns = getColumns();
  if (getAxis() >= grid.size())
    return emitOpError("is along axis ") << getAxis() << " of a grid of " << grid.size();
  const bool gathers = getKind() == CollectiveKind::GatherColumns;
  const size_t edges = gathers ? grid[getAxis()] + 1 : 2;
  if (columns.size() != edges || columns.front() != 0 || !llvm::is_sorted(columns) ||
      columns.back() == 0)
    return emitOpError("columns must be ") << edges << " ascending edges from 0";
  const bool gathersRows = getKind() == CollectiveKind::GatherRows;
  const bool gives = getKind() != CollectiveKind::Receive && !gathersRows,
             gets = getKind() != CollectiveKind::Send;
  if (getOwnRows() && getKind() != CollectiveKind::AllReduce && !gathersRows)
    return emitOpError("has own_rows, and only all_reduce and gather_rows can");
  if (getOwnRows().value_or(0) == 0 && (gathersRows || getOwnRows()))
    return emitOpError("needs own_rows: from how many rows of a step on each chip has its own");
  if (getOwnRows() && getLogitRows())
    return emitOpError("has own_rows, and rows with logits are everyone's");
  if (getKept() && (getOwnRows() || getLogitRows() || getOverlap()))
    return emitOpError("has kept rows, which are everyone's and have no logits yet");
  if (getOverlap()) {
    if (getOwnRows().value_or(0) == 0 || *getOverlap() < *getOwnRows() || !getBlocks() ||
        *getBlocks() == 0)
      return emitOpError("overlaps, and only collectives of own rows can, from as many rows on and "
                         "in blocks of a row or more");
    LaunchOp product = getProduct();
    if (!product)
      return emitOpError("overlaps, and no product of its rows stands beside it");
    auto before = dyn_cast_or_null<CollectiveOp>(product->getPrevNode());
    if (!gathersRows && before && before.getOverlap() && before.getProduct() == product)
      return emitOpError("overlaps with \"")
             << product.getName() << "\", and so does the collective before that";
  }
  if (gives != !!getSourceAttr() || gets != !!getTargetAttr())
    return emitOpError("must name ")
           << (gives ? "" : "no ") << "from and " << (gets ? "" : "no ") << "to";
  if (getAccumulate() && getKind() != CollectiveKind::AllReduce)
    return emitOpError("adds, and only all_reduce can");
  if (getBf16() && getKind() != CollectiveKind::AllReduce)
    return emitOpError("gives bf16, and only all_reduce can");
  if (getSourceAttr() && getSourceAttr() == getTargetAttr())
    return emitOpError("gives and gets the same buffer ") << getSourceAttr();
  const uint32_t program = programOf(*this);
  auto check = [&](FlatSymbolRefAttr name, uint64_t row) -> LogicalResult {
    BufferOp buffer = lookupBuffer(engine, name, program);
    if (!buffer)
      return emitOpError("names no buffer: ") << name;
    auto needed = getLogitRows() ? ExtentAttr::get(getContext(), 0, 0, row, 0)
                                 : ExtentAttr::get(getContext(), 0, row, 0, 0);
    if (!needed.fitsIn(buffer.getSize()))
      return emitOpError("needs ")
             << needed << " of buffer " << name << ", which has " << buffer.getSize();
    return success();
  };
  uint64_t given = columns.back();
  if (gathers) {
    given = 0;
    for (ChipOp chip : engine.getOps<ChipOp>())
      if (chip.getProgramNumber() == program)
        given = std::max(given, getSourceColumns(chip.getId() % grid.back()));
  }
  if (gives && failed(check(getSourceAttr(), given * getSourceElementBytes())))
    return failure();
  return gets ? check(getTargetAttr(), getTargetColumns() * sizeof(float)) : success();
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
    if (weights.back().getProgramNumber() != getProgramNumber())
      return emitOpError("is of program ")
             << getProgramNumber() << ", and " << name << " is a weight of program "
             << weights.back().getProgramNumber();
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
      if (slot.role != SlotRole::KPool)
        continue;
      ChipOp chip = engine.getChipOf(getProgramNumber());
      const uint64_t layers =
          chip && chip.getKvLayers() ? *chip.getKvLayers() : uint64_t(engine.getKv().getLayers());
      const uint64_t heads =
          chip && chip.getKvHeads() ? *chip.getKvHeads() : uint64_t(engine.getKv().getKvHeads());
      if (getKvLayer() >= layers)
        return emitOpError("kv_layer ") << getKvLayer() << " is not below " << layers;
      if (spec->kvHeads > heads)
        return emitOpError("has launch \"") << launch.getName() << "\" for " << spec->kvHeads
                                            << " KV heads, and the chip caches " << heads;
      if (chip && chip.getFirstKvHead().value_or(0) + heads > uint64_t(engine.getKv().getKvHeads()))
        return chip.emitOpError("caches ")
               << heads << " KV heads from " << *chip.getFirstKvHead() << " on, and the model has "
               << engine.getKv().getKvHeads();
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
  if (points * engine.getNumReplicas() > 65536)
    return engine.emitOpError("has ") << engine.getNumReplicas() << " replicas of " << points
                                      << " chips; 65536 together are possible";
  SmallVector<ChipOp> chips(engine.getOps<ChipOp>());
  if (static_cast<int64_t>(chips.size()) != points)
    return engine.emitOpError("grid has ")
           << points << " points, but there are " << chips.size() << " chips";
  auto names = [](ChipOp chip) {
    return llvm::to_vector(llvm::map_range(chip.getBody().getOps<BufferOp>(), [](BufferOp buffer) {
      return buffer.getSymNameAttr();
    }));
  };
  llvm::BitVector programs(chips.size());
  for (ChipOp chip : chips)
    if (chip.getProgramNumber() < chips.size())
      programs.set(chip.getProgramNumber());
  if (programs.find_first_unset() != -1 &&
      static_cast<unsigned>(programs.find_first_unset()) != programs.count())
    return engine.emitOpError("has chips of ")
           << programs.count() << " programs; they are numbered from 0 without a gap";
  for (auto [index, chip] : llvm::enumerate(chips)) {
    if (chip.getProgramNumber() >= chips.size())
      return chip.emitOpError("runs program ")
             << chip.getProgramNumber() << " of at most " << chips.size();
    if (chip.getId() != index)
      return chip.emitOpError("is number ") << index << " of the grid and must have that id";
    if (names(chip) != names(chips.front()))
      return chip.emitOpError(
          "has other buffers than chip 0; the program is the same on every chip");
  }
  return success();
}

/// Stored weights lie within the chip's weights section; neither stored nor made ones overlap.
static LogicalResult checkWeightRanges(EngineOp engine, bool made, ChipOp chip) {
  SmallVector<WeightOp> weights;
  for (WeightOp weight : engine.getOps<WeightOp>())
    if (weight.getSeed().has_value() == made &&
        weight.getProgramNumber() == chip.getProgramNumber())
      weights.push_back(weight);
  llvm::sort(weights, [](WeightOp a, WeightOp b) { return a.getOffset() < b.getOffset(); });
  const uint64_t most = made ? uint64_t(1) << 62 : chip.getWeightsBytes();
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
    if (!isa<ModelOp, LimitsOp, ChipOp, KvOp, WeightOp, KernelOp, FunctionOp, CallOp, CheckOp,
             PoolingOp>(op))
      return op.emitOpError("does not belong in a plan.engine");
  if (failed(checkOne<ModelOp>(*this)) || failed(checkOne<LimitsOp>(*this)) ||
      failed(checkOne<KvOp>(*this)) || failed(checkChips(*this)))
    return failure();
  if (llvm::range_size(getOps<PoolingOp>()) > 1)
    return emitOpError("holds more than one plan.pooling");
  for (ChipOp chip : getOps<ChipOp>())
    if (chip == getChipOf(chip.getProgramNumber()) &&
        (failed(checkWeightRanges(*this, /*made=*/false, chip)) ||
         failed(checkWeightRanges(*this, /*made=*/true, chip))))
      return failure();
  const uint32_t programs = getNumPrograms(); // It looks at every op: once for all weights.
  for (WeightOp weight : getOps<WeightOp>()) {
    if (weight.getProgramNumber() >= programs)
      return weight.emitOpError("belongs to program ")
             << weight.getProgramNumber() << ", which no chip runs";
    if (auto part = weight.getPart();
        part && static_cast<int64_t>(part->getBegins().size()) != getGrid().back())
      return weight.emitOpError("has parts for ")
             << part->getBegins().size() << " chips, and the grid's last axis has "
             << getGrid().back();
  }
  BufferOp logits = lookupBuffer(*this, getLogitsAttr(), getLogitsChip().getProgramNumber());
  if (!logits)
    return emitOpError("names no logits buffer: ") << getLogitsAttr();
  const uint64_t rowBytes = uint64_t(getModel().getVocabulary()) * sizeof(float);
  if (logits.getSize().getPerLogitRow() < rowBytes)
    return emitOpError("logits buffer has ")
           << logits.getSize() << ", but a row takes " << rowBytes << " bytes";
  return success();
}
