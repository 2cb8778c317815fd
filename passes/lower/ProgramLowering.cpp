//===- ProgramLowering.cpp - One program of a plan ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/ProgramLowering.h"

#include "passes/lower/LaunchCost.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::tenon;

LogicalResult ProgramLowering::analyse() {
  step = module.lookupSymbol<func::FuncOp>("step");
  if (!step || step.isExternal())
    return module.emitError("has no function @step; nothing to lower");
  if (!cache())
    return step.emitOpError("takes no !tenon.cache");
  if (failed(collectLaunches()))
    return failure();
  FailureOr<BufferAssignment> assigned = BufferAssignment::compute(step, launches);
  if (failed(assigned))
    return failure();
  assignment = std::move(*assigned);

  Operation *end = step.getBody().front().getTerminator();
  if (step.getNumResults() == 0)
    return success(); // Another stage ends with the logits.
  Operation *last = nullptr;
  for (Operation &op : step.getBody().front())
    if (isa<FusedOp>(op))
      last = &op;
  Value result = end->getNumOperands() == 1 ? end->getOperand(0) : Value();
  if (!result || result.getDefiningOp() != last)
    return step.emitOpError("must return the logits, made by its last launch");
  logits = assignment.buffers()[assignment.bufferOf(result)].name;
  return success();
}

/// Reads every region of the functions that a step runs, callees where they are called.
LogicalResult ProgramLowering::collectLaunches() {
  llvm::SmallPtrSet<Operation *, 8> seen;
  for (Operation &op : step.getBody().front()) {
    if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      if (!callee || callee.isExternal())
        return call.emitOpError("calls no function of the module");
      if (seen.insert(callee).second)
        for (Operation &inner : callee.getBody().front())
          if (failed(collectLaunch(&inner)))
            return failure();
    } else if (failed(collectLaunch(&op))) {
      return failure();
    }
  }
  return success();
}

LogicalResult ProgramLowering::collectLaunch(Operation *op) {
  auto region = dyn_cast<FusedOp>(op);
  if (!region) {
    if (isa<ParamOp, KvLayerOp, func::ReturnOp>(op))
      return success();
    return op->emitOpError("is not a launch; run the fuse stage first");
  }
  std::string why;
  Value input = rowInput(region);
  FailureOr<LaunchSpec> launch =
      lowerLaunch(region, input ? rows.lookup(input) : RowDomain::Token, why);
  if (failed(launch))
    return region.emitOpError("cannot be lowered: ") << why;
  const bool logitRows = launch->collective ? launch->collective->logitRows
                                            : launch->spec.logits || launch->spec.gatherLogitRows;
  if (logitRows || launch->kept)
    for (Value result : region.getResults())
      rows[result] = launch->kept ? RowDomain::Kept : RowDomain::LogitRow;
  launches[region] = std::move(*launch);
  return success();
}

uint64_t ProgramLowering::vocabulary() const {
  return step.getNumResults()
             ? cast<RankedTensorType>(step.getFunctionType().getResult(0)).getDimSize(1)
             : 0;
}

uint64_t ProgramLowering::hidden() const {
  for (auto &[region, launch] : launches)
    if (launch.spec.kind == ::tenon::cpu::KernelKind::Embed && !launch.collective)
      return launch.spec.k;
  return 0;
}

uint64_t ProgramLowering::workspaceBytes() const {
  uint64_t bytes = 0;
  for (auto &[region, launch] : launches)
    for (const plan::KernelSlot &slot : launch.slots)
      bytes = std::max(bytes, slot.workerBytes);
  return bytes;
}

CacheType ProgramLowering::cache() const {
  for (Type type : step.getFunctionType().getInputs())
    if (auto cache = dyn_cast<CacheType>(type))
      return cache;
  return {};
}

std::optional<int64_t> ProgramLowering::firstToken(int64_t rank) const {
  std::optional<int64_t> first;
  module.walk([&](EmbedOp embed) {
    auto region = embed->getParentOfType<FusedOp>();
    auto table = dyn_cast<BlockArgument>(embed.getTable());
    if (!embed.getPartial() || !region || !table)
      return;
    auto param = region.getCaptured(table).getDefiningOp<ParamOp>();
    auto weight = param ? module.lookupSymbol<WeightOp>(param.getWeight()) : WeightOp();
    if (weight && weight.getCut() &&
        rank < static_cast<int64_t>(weight.getCut()->getBegins().size()))
      first = weight.getCut()->getBegins()[rank];
  });
  return first;
}

int64_t ProgramLowering::firstKvHead(int64_t rank) const {
  for (auto call : step.getOps<func::CallOp>()) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    for (auto &[region, launch] : launches) {
      if (launch.collective || launch.spec.kind != ::tenon::cpu::KernelKind::LinearQkv ||
          region->getParentOp() != callee)
        continue;
      // In order of the kernel's pointers: rows, weights of query and key.
      auto key = dyn_cast<BlockArgument>(launch.pointers[2]);
      auto param = key ? call.getOperand(key.getArgNumber()).getDefiningOp<ParamOp>() : ParamOp();
      auto weight = param ? module.lookupSymbol<WeightOp>(param.getWeight()) : WeightOp();
      if (weight && weight.getCut() &&
          rank < static_cast<int64_t>(weight.getCut()->getBegins().size()))
        return weight.getCut()->getBegins()[rank] / launch.spec.headDim;
    }
  }
  return 0;
}

StringAttr ProgramLowering::own(const Twine &name, const char *separator) const {
  if (number == 0)
    return StringAttr::get(module.getContext(), name);
  return StringAttr::get(module.getContext(), name + separator + Twine(number));
}

FlatSymbolRefAttr ProgramLowering::bufferName(Value value) const {
  return FlatSymbolRefAttr::get(value.getContext(),
                                assignment.buffers()[assignment.bufferOf(value)].name);
}

uint64_t ProgramLowering::addWeights(OpBuilder &builder) const {
  // Places are open, but must not overlap even now: one after the other.
  uint64_t stored = 0, made = 0;
  auto numberAttr = [&](uint64_t value) { return builder.getI64IntegerAttr(value); };
  for (auto weight : module.getOps<WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    const bool matrix = type.getRank() == 2;
    const ::tenon::WeightFormat format = matrix ? weightFormat(type) : ::tenon::WeightFormat::F32;
    const uint64_t rowCount = matrix ? type.getDimSize(0) : 1,
                   columns = type.getDimSize(matrix ? 1 : 0);
    const uint64_t size =
        matrix ? ::tenon::packedBytes(format, rowCount, columns) : columns * sizeof(float);
    IntegerAttr seed;
    if (options.randomSeed && !weight.getValue())
      // Any seed but 0, of 63 bits so that text shows it without a sign.
      seed = numberAttr(
          ((llvm::xxh3_64bits(weight.getSymName()) ^ (options.randomSeed * 0x9e3779b97f4a7c15)) >>
           1) |
          1);
    plan::PartAttr part;
    if (auto cut = weight.getCut())
      part = plan::PartAttr::get(builder.getContext(), cut->getDim(), cut->getBegins());
    uint64_t &end = seed ? made : stored;
    plan::WeightOp::create(
        builder, weight.getLoc(), own(weight.getSymName(), "#"),
        plan::WeightFormatAttr::get(builder.getContext(), static_cast<plan::WeightFormat>(format)),
        numberAttr(rowCount), numberAttr(columns), numberAttr(end), numberAttr(size),
        matrix ? builder.getUnitAttr() : UnitAttr(), seed, programAttr(builder),
        number ? builder.getStringAttr(weight.getSymName()) : StringAttr(), part);
    end = llvm::alignTo(end + size, 64);
  }
  return stored;
}

void ProgramLowering::addPooling(OpBuilder &builder) const {
  for (auto &[region, launch] : launches) {
    if (launch.collective || launch.spec.kind != ::tenon::cpu::KernelKind::NormQuant ||
        !launch.spec.gatherLogitRows || launch.kept)
      continue;
    // In order of the kernel's pointers: rows, weight, result.
    auto weight = launch.pointers[1].getDefiningOp<ParamOp>();
    if (!weight)
      continue;
    plan::PoolingOp::create(builder, region->getLoc(), bufferName(launch.pointers[0]),
                            weightName(weight.getWeight()),
                            builder.getF32FloatAttr(launch.spec.eps));
    return;
  }
}

unsigned ProgramLowering::addKernels(OpBuilder &builder, unsigned count) {
  for (auto &[region, launch] : launches) {
    if (launch.collective)
      continue;
    auto name = builder.getStringAttr("region" + Twine(count++) + "_" +
                                      ::tenon::cpu::kernelKindName(launch.spec.kind));
    kernelNames[region] = name;
    plan::KernelOp::create(builder, region->getLoc(), name,
                           builder.getStringAttr(::tenon::cpu::kernelKindName(launch.spec.kind)),
                           plan::specToAttr(builder.getContext(), launch.spec),
                           builder.getI64IntegerAttr(::tenon::cpu::scratchBytes(launch.spec)));
  }
  return count;
}

plan::ArgAttr ProgramLowering::argument(plan::SlotRole role, Value pointer) {
  MLIRContext *context = module.getContext();
  switch (role) {
  case plan::SlotRole::KPool:
    return plan::ArgAttr::get(context, plan::ArgKind::KPool, {}, 0);
  case plan::SlotRole::VPool:
    return plan::ArgAttr::get(context, plan::ArgKind::VPool, {}, 0);
  case plan::SlotRole::Weight:
    if (auto param = pointer.getDefiningOp<ParamOp>())
      return plan::ArgAttr::get(context, plan::ArgKind::Weight, weightName(param.getWeight()), 0);
    return plan::ArgAttr::get(context, plan::ArgKind::LayerWeight, {},
                              layerWeights.lookup(pointer));
  case plan::SlotRole::Workspace:
    return plan::ArgAttr::get(context, plan::ArgKind::Buffer,
                              FlatSymbolRefAttr::get(context, kWorkspace), 0);
  default:
    return plan::ArgAttr::get(context, plan::ArgKind::Buffer, bufferName(pointer), 0);
  }
}

void ProgramLowering::addLaunch(OpBuilder &builder, FusedOp region) {
  const LaunchSpec &launch = launches[region];
  if (launch.collective) {
    const CollectiveSpec &c = *launch.collective;
    FlatSymbolRefAttr from, to;
    for (auto [slot, pointer] : llvm::zip_equal(launch.slots, launch.pointers))
      (slot.name == "from" ? from : to) = bufferName(pointer);
    auto unit = [&](bool set) { return set ? builder.getUnitAttr() : UnitAttr(); };
    plan::CollectiveOp::create(
        builder, region.getLoc(), plan::CollectiveKindAttr::get(builder.getContext(), c.kind),
        builder.getStringAttr(launch.name), from, to, builder.getI64IntegerAttr(c.axis),
        builder.getDenseI64ArrayAttr(c.columns), unit(c.accumulate), unit(c.bf16),
        unit(c.logitRows), unit(launch.kept), UnitAttr(), IntegerAttr(), IntegerAttr(),
        IntegerAttr(), builder.getStringAttr(c.cause), launchCost(region));
    return;
  }
  SmallVector<Attribute> args;
  for (auto [slot, pointer] : llvm::zip_equal(launch.slots, launch.pointers))
    args.push_back(argument(slot.role, pointer));
  plan::LaunchOp::create(builder, region.getLoc(), FlatSymbolRefAttr::get(kernelNames[region]),
                         builder.getStringAttr(launch.name), builder.getArrayAttr(args),
                         launch.kept ? builder.getUnitAttr() : UnitAttr(), UnitAttr(),
                         IntegerAttr(), launchCost(region));
}

void ProgramLowering::addFunction(OpBuilder &builder, func::FuncOp function) {
  auto made = plan::FunctionOp::create(builder, function.getLoc(), own(function.getSymName(), "."));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&made.getBody().emplaceBlock());
  for (auto region : function.getOps<FusedOp>())
    addLaunch(builder, region);
}

/// Launches of the step itself, between calls.
LogicalResult ProgramLowering::addSegment(OpBuilder &builder, ArrayRef<FusedOp> regions,
                                          StringAttr name) {
  auto made = plan::FunctionOp::create(builder, step.getLoc(), name);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&made.getBody().emplaceBlock());
  for (FusedOp region : regions) {
    if (launches[region].kv)
      return region.emitOpError("uses the KV cache outside a layer's function");
    addLaunch(builder, region);
  }
  calls.push_back({name, {}, 0});
  return success();
}

/// An argument of the step that says which rows: the executor's, not a buffer.
static bool isRowTable(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return isa<BlockArgument>(value) && type && type.getElementType().isInteger(32);
}

LogicalResult ProgramLowering::addCall(OpBuilder &builder, func::CallOp call) {
  auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
  PendingCall pending{own(callee.getSymName(), "."), {}, 0};
  for (auto [operand, argument] : llvm::zip_equal(call.getOperands(), callee.getArguments())) {
    if (auto param = operand.getDefiningOp<ParamOp>()) {
      layerWeights[argument] = pending.weights.size();
      pending.weights.push_back(weightName(param.getWeight()));
    } else if (auto kv = operand.getDefiningOp<KvLayerOp>()) {
      pending.kvLayer = kv.getLayer();
    } else if (!isRowTable(operand) &&
               !isa_and_nonnull<FusedOp, func::CallOp>(operand.getDefiningOp())) {
      return call.emitOpError(
          "gets an operand that is no weight, cache, activation or table of rows");
    }
  }
  if (lowered.insert(callee).second)
    addFunction(builder, callee);
  calls.push_back(std::move(pending));
  return success();
}

LogicalResult ProgramLowering::addFunctions(OpBuilder &builder) {
  SmallVector<FusedOp> segment;
  unsigned segments = 0;
  auto endSegment = [&](bool last) {
    if (segment.empty())
      return success();
    const std::string name = last            ? "step_end"
                             : segments == 0 ? "step_begin"
                                             : "step_" + std::to_string(segments);
    ++segments;
    LogicalResult added = addSegment(builder, segment, own(name, "."));
    segment.clear();
    return added;
  };
  for (Operation &op : step.getBody().front()) {
    if (auto region = dyn_cast<FusedOp>(op))
      segment.push_back(region);
    if (auto call = dyn_cast<func::CallOp>(op))
      if (failed(endSegment(false)) || failed(addCall(builder, call)))
        return failure();
  }
  return endSegment(true);
}

void ProgramLowering::addCalls(OpBuilder &builder) const {
  for (const PendingCall &call : calls)
    plan::CallOp::create(builder, step.getLoc(), FlatSymbolRefAttr::get(call.function),
                         builder.getArrayAttr(call.weights),
                         builder.getI64IntegerAttr(call.kvLayer), programAttr(builder));
}
