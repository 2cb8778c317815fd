//===- LowerToPlan.cpp - From fused regions to a plan ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/LowerToPlan.h"

#include "passes/lower/BufferAssignment.h"
#include "passes/lower/LaunchCost.h"
#include "passes/lower/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "llvm/Support/xxhash.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_LOWERTOPLANPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr const char *kProducer = "tenon 0.1.0";

/// Builds the plan of one module.
class PlanBuilder {
public:
  PlanBuilder(ModuleOp module, const LowerToPlanOptions &options)
      : module(module), options(options), builder(module.getContext()) {}

  FailureOr<OwningOpRef<plan::EngineOp>> run() {
    step = module.lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal())
      return module.emitError("has no function @step; nothing to lower");
    if (!cache())
      return step.emitOpError("takes no !tenon.cache");
    if (failed(checkGrid()) || failed(collectLaunches()))
      return failure();
    FailureOr<BufferAssignment> assigned = BufferAssignment::compute(step, launches);
    if (failed(assigned))
      return failure();
    assignment = std::move(*assigned);
    Operation *logits = nullptr;
    for (Operation &op : step.getBody().front())
      if (isa<FusedOp>(op))
        logits = &op;
    Value result = step.getBody().front().getTerminator()->getNumOperands() == 1
                       ? step.getBody().front().getTerminator()->getOperand(0)
                       : Value();
    if (!result || result.getDefiningOp() != logits)
      return step.emitOpError("must return the logits, made by its last launch");

    OwningOpRef<plan::EngineOp> owned =
        plan::EngineOp::create(builder, module.getLoc(), builder.getStringAttr(kProducer),
                               builder.getStringAttr(options.target),
                               builder.getDenseI64ArrayAttr(grid), bufferName(result));
    engine = *owned;
    builder.setInsertionPointToStart(&engine.getBody().emplaceBlock());
    addModelAndLimits();
    addChips();
    addKv();
    addWeights();
    addKernels();
    if (failed(addStep()))
      return failure();
    return std::move(owned);
  }

private:
  LogicalResult checkGrid();
  LogicalResult collectLaunches();
  LogicalResult collectLaunch(Operation *op);
  void addModelAndLimits();
  void addChips();
  void addKv();
  void addWeights();
  void addKernels();
  LogicalResult addStep();
  LogicalResult addSegment(ArrayRef<FusedOp> regions, StringRef name);
  plan::FunctionOp addFunction(func::FuncOp function);
  void addLaunch(FusedOp region);
  plan::ArgAttr argument(plan::SlotRole role, Value pointer);
  plan::ExtentAttr workspaceSize();

  FlatSymbolRefAttr symbol(StringRef name) {
    return FlatSymbolRefAttr::get(builder.getContext(), name);
  }
  FlatSymbolRefAttr bufferName(Value value) {
    return symbol(assignment.buffers()[assignment.bufferOf(value)].name);
  }
  /// The step's KV cache; `run` has checked that there is one.
  CacheType cache() {
    for (Type type : step.getArgumentTypes())
      if (auto cache = dyn_cast<CacheType>(type))
        return cache;
    return {};
  }
  StringAttr configText(StringRef name) {
    auto all = module->getAttrOfType<DictionaryAttr>(TenonDialect::kConfigAttrName);
    auto value = all ? all.getAs<StringAttr>(name) : StringAttr();
    return value ? value : builder.getStringAttr("");
  }

  ModuleOp module;
  const LowerToPlanOptions &options;
  OpBuilder builder;
  func::FuncOp step;
  SmallVector<int64_t> grid = {1};
  LaunchMap launches;
  llvm::DenseMap<Value, plan::RowDomain> rows; ///< Of activations; tokens if absent.
  BufferAssignment assignment;
  StringAttr workspace; ///< Buffer of all launches' workspaces; null if there is none.
  plan::EngineOp engine;
  llvm::DenseMap<Operation *, StringAttr> kernelNames;
  llvm::DenseMap<Value, uint32_t>
      layerWeights; ///< Of function arguments: place in the call's list.
};
} // namespace

LogicalResult PlanBuilder::checkGrid() {
  for (auto op : module.getOps<shard::GridOp>()) {
    grid = llvm::to_vector(op.getShape());
    if (llvm::any_of(grid, [](int64_t size) { return size != 1; }))
      return op.emitOpError(
          "has more than one chip; lowering to plan takes one, sharding comes before it");
  }
  return success();
}

/// Reads every region of the functions that a step runs, callees where they are called.
LogicalResult PlanBuilder::collectLaunches() {
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

LogicalResult PlanBuilder::collectLaunch(Operation *op) {
  auto region = dyn_cast<FusedOp>(op);
  if (!region) {
    if (isa<ParamOp, KvLayerOp, func::ReturnOp>(op))
      return success();
    return op->emitOpError("is not a launch; run the fuse stage first");
  }
  std::string why;
  Value input = rowInput(region);
  FailureOr<LaunchSpec> launch =
      lowerLaunch(region, input ? rows.lookup(input) : plan::RowDomain::Tokens, why);
  if (failed(launch))
    return region.emitOpError("cannot be lowered: ") << why;
  if (launch->spec.logits || launch->spec.gatherLogitRows)
    for (Value result : region.getResults())
      rows[result] = plan::RowDomain::LogitRows;
  launches[region] = std::move(*launch);
  return success();
}

void PlanBuilder::addModelAndLimits() {
  uint64_t parameters = 0;
  std::array<uint64_t, ::tenon::kNumWeightFormats> elements{};
  for (auto weight : module.getOps<WeightOp>()) {
    if (weight.getValue())
      continue;
    RankedTensorType type = weight.getTensorType();
    parameters += type.getNumElements();
    if (type.getRank() == 2)
      elements[static_cast<size_t>(weightFormat(type))] += type.getNumElements();
  }
  const auto most =
      static_cast<::tenon::WeightFormat>(llvm::max_element(elements) - elements.begin());
  auto number = [&](uint64_t value) { return builder.getI64IntegerAttr(value); };
  uint64_t vocabulary = cast<RankedTensorType>(step.getResultTypes().front()).getDimSize(1),
           hidden = 0;
  for (auto &[region, launch] : launches)
    if (launch.spec.kind == ::tenon::cpu::KernelKind::Embed)
      hidden = launch.spec.k;
  plan::ModelOp::create(builder, module.getLoc(), configText("name"), configText("architecture"),
                        number(vocabulary), number(hidden), number(cache().getLayers()),
                        number(parameters), IntegerAttr(), builder.getDenseI64ArrayAttr({}),
                        builder.getStringAttr(StringRef(::tenon::formatInfo(most).name)));
  auto context = module->getAttrOfType<IntegerAttr>(TenonDialect::kMaxContextAttrName);
  plan::LimitsOp::create(builder, module.getLoc(), number(context ? context.getInt() : 0),
                         number(0), number(0), number(0), number(0), number(0));
}

void PlanBuilder::addKv() {
  auto number = [&](uint64_t value) { return builder.getI64IntegerAttr(value); };
  plan::KvOp::create(builder, module.getLoc(), number(cache().getLayers()),
                     number(cache().getKvHeads()), number(cache().getHeadDim()), number(0),
                     number(0), number(0));
}

void PlanBuilder::addChips() {
  MLIRContext *context = builder.getContext();
  auto zero = plan::ExtentAttr::get(context, 0, 0, 0, 0);
  auto arena = zero;
  SmallVector<plan::ExtentAttr> sizes;
  for (const BufferInfo &info : assignment.buffers()) {
    sizes.push_back(
        plan::ExtentAttr::get(context, 0, info.bytesPerToken, info.bytesPerLogitRow, 0));
    arena = arena.max(sizes.back());
  }
  if (plan::ExtentAttr size = workspaceSize()) {
    // Buffers are named after launches, and where names are equal, a dot and a number.
    workspace = builder.getStringAttr("workspace.shared");
    arena = arena.max(size);
  }
  OpBuilder::InsertionGuard guard(builder);
  auto chip =
      plan::ChipOp::create(builder, module.getLoc(), builder.getI64IntegerAttr(0),
                           builder.getStringAttr("cpu"), arena, builder.getI64IntegerAttr(0));
  builder.setInsertionPointToStart(&chip.getBody().emplaceBlock());
  for (auto [info, size] : llvm::zip_equal(assignment.buffers(), sizes))
    plan::BufferOp::create(builder, module.getLoc(), builder.getStringAttr(info.name), zero, size);
  if (workspace)
    plan::BufferOp::create(builder, module.getLoc(), workspace, zero, workspaceSize());
}

/// Launches follow one another, so the largest workspace serves all; null if none needs one.
plan::ExtentAttr PlanBuilder::workspaceSize() {
  uint64_t bytes = 0;
  for (auto &[region, launch] : launches)
    for (const plan::KernelSlot &slot : plan::kernelSlots(launch.spec))
      bytes = std::max(bytes, slot.workerBytes);
  return bytes ? plan::ExtentAttr::get(builder.getContext(), 0, 0, 0, bytes) : plan::ExtentAttr();
}

void PlanBuilder::addWeights() {
  // Places are open, but must not overlap even now: one after the other.
  uint64_t stored = 0, made = 0;
  auto number = [&](uint64_t value) { return builder.getI64IntegerAttr(value); };
  for (auto weight : module.getOps<WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    const bool matrix = type.getRank() == 2;
    const ::tenon::WeightFormat format = matrix ? weightFormat(type) : ::tenon::WeightFormat::F32;
    const uint64_t rows = matrix ? type.getDimSize(0) : 1,
                   columns = type.getDimSize(matrix ? 1 : 0);
    const uint64_t size =
        matrix ? ::tenon::packedBytes(format, rows, columns) : columns * sizeof(float);
    IntegerAttr seed;
    if (options.randomSeed && !weight.getValue())
      // Any seed but 0, of 63 bits so that text shows it without a sign.
      seed = number(
          ((llvm::xxh3_64bits(weight.getSymName()) ^ (options.randomSeed * 0x9e3779b97f4a7c15)) >>
           1) |
          1);
    uint64_t &end = seed ? made : stored;
    plan::WeightOp::create(
        builder, weight.getLoc(), builder.getStringAttr(weight.getSymName()),
        plan::WeightFormatAttr::get(builder.getContext(), static_cast<plan::WeightFormat>(format)),
        number(rows), number(columns), number(end), number(size),
        matrix ? builder.getUnitAttr() : UnitAttr(), seed);
    end = llvm::alignTo(end + size, 64);
  }
  engine.getFirstChip().setWeightsBytes(stored);
}

void PlanBuilder::addKernels() {
  for (auto &[region, launch] : launches) {
    auto name = builder.getStringAttr("region" + Twine(kernelNames.size()) + "_" +
                                      plan::kernelKindName(launch.spec.kind));
    kernelNames[region] = name;
    plan::KernelOp::create(builder, region->getLoc(), name,
                           builder.getStringAttr(plan::kernelKindName(launch.spec.kind)),
                           plan::specToAttr(builder.getContext(), launch.spec),
                           builder.getI64IntegerAttr(::tenon::cpu::scratchBytes(launch.spec)));
  }
}

plan::ArgAttr PlanBuilder::argument(plan::SlotRole role, Value pointer) {
  MLIRContext *context = builder.getContext();
  switch (role) {
  case plan::SlotRole::KPool:
    return plan::ArgAttr::get(context, plan::ArgKind::KPool, {}, 0);
  case plan::SlotRole::VPool:
    return plan::ArgAttr::get(context, plan::ArgKind::VPool, {}, 0);
  case plan::SlotRole::Weight:
    if (auto param = pointer.getDefiningOp<ParamOp>())
      return plan::ArgAttr::get(context, plan::ArgKind::Weight, symbol(param.getWeight()), 0);
    return plan::ArgAttr::get(context, plan::ArgKind::LayerWeight, {},
                              layerWeights.lookup(pointer));
  case plan::SlotRole::Workspace:
    return plan::ArgAttr::get(context, plan::ArgKind::Buffer, FlatSymbolRefAttr::get(workspace), 0);
  default:
    return plan::ArgAttr::get(context, plan::ArgKind::Buffer, bufferName(pointer), 0);
  }
}

void PlanBuilder::addLaunch(FusedOp region) {
  const LaunchSpec &launch = launches[region];
  SmallVector<Attribute> args;
  for (auto [slot, pointer] : llvm::zip_equal(plan::kernelSlots(launch.spec), launch.pointers))
    args.push_back(argument(slot.role, pointer));
  plan::LaunchOp::create(builder, region.getLoc(), FlatSymbolRefAttr::get(kernelNames[region]),
                         builder.getStringAttr(launch.name), builder.getArrayAttr(args), UnitAttr(),
                         launchCost(region));
}

plan::FunctionOp PlanBuilder::addFunction(func::FuncOp function) {
  auto lowered = plan::FunctionOp::create(builder, function.getLoc(),
                                          builder.getStringAttr(function.getSymName()));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&lowered.getBody().emplaceBlock());
  for (auto region : function.getOps<FusedOp>())
    addLaunch(region);
  return lowered;
}

/// Launches of the step itself, between calls.
LogicalResult PlanBuilder::addSegment(ArrayRef<FusedOp> regions, StringRef name) {
  auto lowered = plan::FunctionOp::create(builder, step.getLoc(), builder.getStringAttr(name));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&lowered.getBody().emplaceBlock());
  for (FusedOp region : regions) {
    if (launches[region].kv)
      return region.emitOpError("uses the KV cache outside a layer's function");
    addLaunch(region);
  }
  return success();
}

LogicalResult PlanBuilder::addStep() {
  struct PendingCall {
    StringAttr function;
    SmallVector<Attribute> weights;
    uint64_t kvLayer = 0;
  };
  SmallVector<PendingCall> calls;
  SmallVector<FusedOp> segment;
  llvm::SmallPtrSet<Operation *, 8> lowered;
  unsigned segments = 0;
  auto endSegment = [&](bool last) {
    if (segment.empty())
      return success();
    std::string name = last            ? "step_end"
                       : segments == 0 ? "step_begin"
                                       : "step_" + std::to_string(segments);
    ++segments;
    if (failed(addSegment(segment, name)))
      return failure();
    calls.push_back({builder.getStringAttr(name), {}, 0});
    segment.clear();
    return success();
  };
  for (Operation &op : step.getBody().front()) {
    if (auto region = dyn_cast<FusedOp>(op))
      segment.push_back(region);
    auto call = dyn_cast<func::CallOp>(op);
    if (!call)
      continue;
    if (failed(endSegment(false)))
      return failure();
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    PendingCall pending{callee.getSymNameAttr(), {}, 0};
    for (auto [operand, argument] : llvm::zip_equal(call.getOperands(), callee.getArguments())) {
      if (auto param = operand.getDefiningOp<ParamOp>()) {
        layerWeights[argument] = pending.weights.size();
        pending.weights.push_back(symbol(param.getWeight()));
      } else if (auto kv = operand.getDefiningOp<KvLayerOp>()) {
        pending.kvLayer = kv.getLayer();
      } else if (!isa<FusedOp, func::CallOp>(operand.getDefiningOp())) {
        return call.emitOpError("gets an operand that is no weight, cache or activation");
      }
    }
    if (lowered.insert(callee).second)
      addFunction(callee);
    calls.push_back(std::move(pending));
  }
  if (failed(endSegment(true)))
    return failure();
  for (PendingCall &call : calls)
    plan::CallOp::create(builder, step.getLoc(), FlatSymbolRefAttr::get(call.function),
                         builder.getArrayAttr(call.weights),
                         builder.getI64IntegerAttr(call.kvLayer));
  return success();
}

FailureOr<OwningOpRef<plan::EngineOp>> mlir::tenon::lowerToPlan(ModuleOp module,
                                                                const LowerToPlanOptions &options) {
  return PlanBuilder(module, options).run();
}

namespace {
struct LowerToPlanPass : mlir::tenon::impl::LowerToPlanPassBase<LowerToPlanPass> {
  using LowerToPlanPassBase::LowerToPlanPassBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto engine = lowerToPlan(module, {target, randomSeed});
    if (failed(engine))
      return signalPassFailure();
    // What the plan was made from is gone: the plan stands for it.
    module.getBody()->clear();
    module.getBody()->push_back(engine->release());
    module->setAttrs(DictionaryAttr::get(&getContext()));
  }
};
} // namespace
