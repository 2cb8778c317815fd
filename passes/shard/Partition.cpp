//===- Partition.cpp - The programs of the chips --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/CutAnalysis.h"
#include "passes/shard/Passes.h"
#include "passes/shard/Stages.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_PARTITIONPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
/// Chips of a stage whose parts have equal sizes, by number along the tensor axis.
using Ranks = SmallVector<int64_t>;

/// What chip `rank` reads of an attention's KV heads; nothing if it has the attention whole.
std::optional<HeadReads> readsOfChip(AttentionOp attention, const CutAnalysis &cuts, int64_t rank) {
  const Cut *query = cuts.find(attention.getQuery());
  if (!query)
    return std::nullopt;
  return readsOf(query->parts[rank], attention.getQuery().getType().getDimSize(1),
                 attention.getKey().getType().getDimSize(1));
}

std::vector<Ranks> ranksOfEqualShape(ModuleOp module, const CutAnalysis &cuts) {
  SmallVector<AttentionOp> attentions;
  module.walk([&](AttentionOp op) { attentions.push_back(op); });
  std::vector<std::pair<SmallVector<int64_t>, Ranks>> shapes;
  for (int64_t rank = 0; rank < cuts.chips(); ++rank) {
    SmallVector<int64_t> shape;
    for (auto &[value, cut] : cuts.all())
      shape.push_back(cut.parts[rank].size);
    for (AttentionOp attention : attentions)
      if (auto reads = readsOfChip(attention, cuts, rank))
        shape.append({reads->group, reads->skipped});
    auto known = llvm::find_if(shapes, [&](auto &entry) { return entry.first == shape; });
    if (known == shapes.end())
      shapes.push_back({std::move(shape), {rank}});
    else
      known->second.push_back(rank);
  }
  std::vector<Ranks> result;
  for (auto &[shape, ranks] : shapes)
    result.push_back(std::move(ranks));
  return result;
}

/// Makes the program of some chips of one stage.
class ProgramBuilder {
public:
  ProgramBuilder(ModuleOp whole, func::FuncOp step, const CutAnalysis &cuts,
                 ArrayRef<int64_t> ranks)
      : whole(whole), step(step), cuts(cuts), ranks(ranks), builder(whole.getContext()) {}

  /// Appends the module to `whole`.
  LogicalResult build(const Stages &stages, size_t stage, size_t number);

private:
  int64_t rank() const { return ranks.front(); }
  Type localType(Value value);
  func::FuncOp cloneLayer(func::FuncOp function);
  Operation *cloneOp(Operation &op, IRMapping &mapping);
  FlatSymbolRefAttr weight(FlatSymbolRefAttr name);
  LogicalResult buildStep(const Stages &stages, size_t stage);
  FailureOr<Value> materialise(Value value, IRMapping &mapping, const Stages &stages, size_t stage);

  ModuleOp whole;
  func::FuncOp step;
  const CutAnalysis &cuts;
  ArrayRef<int64_t> ranks;
  OpBuilder builder;
  ModuleOp program;
  func::FuncOp localStep;
  llvm::StringMap<func::FuncOp> layers;
  llvm::DenseSet<StringAttr> declared;
  Operation *lastWeight = nullptr;
  Value received;
};
} // namespace

/// The type that `value` has on the program's chips.
Type ProgramBuilder::localType(Value value) {
  if (isa<KvType>(value.getType())) {
    // The heads that the layer's attention writes.
    for (Operation *user : value.getUsers())
      if (auto attention = dyn_cast<AttentionOp>(user))
        if (const Cut *heads = cuts.find(attention.getKey()))
          return KvType::get(value.getContext(), heads->parts[rank()].size,
                             cast<KvType>(value.getType()).getHeadDim());
    return value.getType();
  }
  const Cut *cut = cuts.find(value);
  if (!cut)
    return value.getType();
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[cut->dim] = cut->parts[rank()].size;
  return type.clone(shape);
}

/// Declares what the chips hold of a weight, once.
FlatSymbolRefAttr ProgramBuilder::weight(FlatSymbolRefAttr name) {
  if (!declared.insert(name.getAttr()).second)
    return name;
  OpBuilder::InsertionGuard guard(builder);
  if (lastWeight)
    builder.setInsertionPointAfter(lastWeight);
  else
    builder.setInsertionPointToStart(program.getBody());
  auto original = whole.lookupSymbol<WeightOp>(name.getAttr());
  auto local = cast<WeightOp>(builder.clone(*original));
  lastWeight = local;
  if (const Cut *cut = cuts.findWeight(name.getAttr())) {
    SmallVector<int64_t> shape(original.getTensorType().getShape());
    shape[cut->dim] = cut->parts[rank()].size;
    local.setTypeAttr(TypeAttr::get(original.getTensorType().clone(shape)));
    local.setCutAttr(
        CutAttr::get(builder.getContext(), cut->dim,
                     llvm::map_to_vector(cut->parts, [](Cut::Part part) { return part.begin; })));
  }
  return name;
}

/// Clones an op with the shapes of a part, and what has to follow it.
Operation *ProgramBuilder::cloneOp(Operation &op, IRMapping &mapping) {
  Operation *local = builder.clone(op, mapping);
  for (auto [result, localResult] : llvm::zip_equal(op.getResults(), local->getResults()))
    localResult.setType(localType(result));
  if (auto embed = dyn_cast<EmbedOp>(local); embed && cuts.isPartial(&op))
    embed.setPartial(true);
  if (auto attention = dyn_cast<AttentionOp>(op))
    if (auto reads = readsOfChip(attention, cuts, rank())) {
      cast<AttentionOp>(local).setGroup(reads->group);
      cast<AttentionOp>(local).setSkippedHeads(reads->skipped);
    }
  if (cuts.isPartial(&op)) {
    auto sum = AllReduceOp::create(builder, op.getLoc(), local->getResult(0), kTensorAxis,
                                   builder.getStringAttr(cuts.causeOf(&op)));
    mapping.map(op.getResult(0), sum.getResult());
  } else if (isa<LogitsOp>(op)) {
    if (const Cut *cut = cuts.find(op.getResult(0))) {
      auto all = GatherColumnsOp::create(builder, op.getLoc(), local->getResult(0), kTensorAxis,
                                         builder.getDenseI64ArrayAttr(cut->offsets()),
                                         builder.getStringAttr(cuts.causeOf(&op)));
      mapping.map(op.getResult(0), all.getResult());
    }
  }
  return local;
}

func::FuncOp ProgramBuilder::cloneLayer(func::FuncOp function) {
  func::FuncOp &known = layers[function.getSymName()];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(localStep);
  auto inputs =
      llvm::map_to_vector(function.getArguments(), [&](Value value) { return localType(value); });
  known = func::FuncOp::create(
      builder, function.getLoc(), function.getSymName(),
      builder.getFunctionType(inputs, function.getFunctionType().getResults()));
  known.setVisibility(function.getVisibility());
  builder.setInsertionPointToStart(known.addEntryBlock());
  IRMapping mapping;
  mapping.map(function.getArguments(), known.getArguments());
  for (Operation &op : function.getBody().front()) {
    if (isa<shard::ShardingOp>(op))
      continue;
    if (auto annotation = dyn_cast<shard::ShardOp>(op))
      mapping.map(annotation.getResult(), mapping.lookup(annotation.getSrc()));
    else
      cloneOp(op, mapping);
  }
  return known;
}

/// The local form of a value of the whole step, with what it is made from.
FailureOr<Value> ProgramBuilder::materialise(Value value, IRMapping &mapping, const Stages &stages,
                                             size_t stage) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *def = value.getDefiningOp();
  if (auto annotation = dyn_cast<shard::ShardOp>(def)) {
    auto source = materialise(annotation.getSrc(), mapping, stages, stage);
    if (succeeded(source))
      mapping.map(value, *source);
    return source;
  }
  if (auto call = dyn_cast<func::CallOp>(def); call && stages.of(call) != stage) {
    if (received || stages.of(call) + 1 != stage)
      return call.emitOpError("has a result that is needed beyond the next stage; one value passes "
                              "from each stage to the next");
    received = ReceiveOp::create(builder, call.getLoc(), value.getType(), localStep.getArgument(1),
                                 builder.getI32IntegerAttr(kPipelineAxis),
                                 builder.getStringAttr("layers before are on other chips"));
    mapping.map(value, received);
    return received;
  }
  for (Value operand : def->getOperands())
    if (failed(materialise(operand, mapping, stages, stage)))
      return failure();
  Operation *local = cloneOp(*def, mapping);
  if (auto param = dyn_cast<ParamOp>(local))
    weight(param.getWeightAttr());
  if (auto layer = dyn_cast<KvLayerOp>(local)) {
    layer.setLayer(layer.getLayer() - stages.firstLayer(stage));
    auto cache = cast<CacheType>(layer.getCache().getType());
    layer.getResult().setType(
        KvType::get(builder.getContext(), cache.getKvHeads(), cache.getHeadDim()));
  }
  return mapping.lookup(value);
}

LogicalResult ProgramBuilder::buildStep(const Stages &stages, size_t stage) {
  Block &body = step.getBody().front();
  IRMapping mapping;
  mapping.map(step.getArguments(), localStep.getArguments());
  ArrayRef<func::CallOp> calls = stages.calls(stage);
  for (func::CallOp call : calls)
    if (failed(materialise(call.getResult(0), mapping, stages, stage)))
      return failure();
  SmallVector<Value> results;
  if (stage + 1 == stages.size()) {
    for (Value value : body.getTerminator()->getOperands()) {
      auto local = materialise(value, mapping, stages, stage);
      if (failed(local))
        return failure();
      results.push_back(*local);
    }
  } else {
    func::CallOp end = calls.back();
    SendOp::create(builder, end.getLoc(), mapping.lookup(end.getResult(0)),
                   builder.getI32IntegerAttr(kPipelineAxis),
                   builder.getStringAttr("layers behind are on other chips"));
  }
  func::ReturnOp::create(builder, step.getLoc(), results);
  return success();
}

LogicalResult ProgramBuilder::build(const Stages &stages, size_t stage, size_t number) {
  builder.setInsertionPointToEnd(whole.getBody());
  program = ModuleOp::create(builder, whole.getLoc(), "program_" + std::to_string(number));
  SmallVector<int64_t> chips;
  for (int64_t rank : ranks)
    chips.push_back(stage * cuts.chips() + rank);
  program->setAttr(TenonDialect::kChipsAttrName, builder.getDenseI64ArrayAttr(chips));
  if (Attribute context = whole->getAttr(TenonDialect::kMaxContextAttrName))
    program->setAttr(TenonDialect::kMaxContextAttrName, context);

  // The step's type: the cache has the heads and layers of this stage.
  func::CallOp first = stages.calls(stage).front();
  auto layer = whole.lookupSymbol<func::FuncOp>(first.getCallee());
  SmallVector<Type> inputs(step.getArgumentTypes());
  for (Type &type : inputs)
    if (auto cache = dyn_cast<CacheType>(type)) {
      int64_t heads = cache.getKvHeads();
      for (BlockArgument argument : layer.getArguments())
        if (isa<KvType>(argument.getType()))
          heads = cast<KvType>(localType(argument)).getKvHeads();
      type = CacheType::get(builder.getContext(), stages.calls(stage).size(), heads,
                            cache.getHeadDim());
    }
  const bool last = stage + 1 == stages.size();
  builder.setInsertionPointToEnd(program.getBody());
  localStep = func::FuncOp::create(
      builder, step.getLoc(), step.getSymName(),
      builder.getFunctionType(inputs, last ? step.getResultTypes() : TypeRange()));
  for (func::CallOp call : stages.calls(stage))
    cloneLayer(whole.lookupSymbol<func::FuncOp>(call.getCallee()));
  builder.setInsertionPointToStart(localStep.addEntryBlock());
  return buildStep(stages, stage);
}

namespace {
struct PartitionPass : mlir::tenon::impl::PartitionPassBase<PartitionPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<CutAnalysis> cuts = CutAnalysis::compute(module);
    if (failed(cuts))
      return signalPassFailure();
    auto step = module.lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal()) {
      module.emitError("has no function @step; nothing to partition");
      return signalPassFailure();
    }
    FailureOr<Stages> stages = Stages::compute(step, gridSize(module, kPipelineAxis));
    if (failed(stages))
      return signalPassFailure();

    SmallVector<Operation *> wholes;
    for (Operation &op : *module.getBody())
      if (!isa<shard::GridOp, WeightOp>(op)) // They say what the checkpoint holds.
        wholes.push_back(&op);
    for (Type type : step.getArgumentTypes())
      if (isa<CacheType>(type))
        module->setAttr(TenonDialect::kCacheAttrName, TypeAttr::get(type));
    const std::vector<Ranks> shapes = ranksOfEqualShape(module, *cuts);
    size_t number = 0;
    for (size_t stage = 0; stage < stages->size(); ++stage)
      for (const Ranks &ranks : shapes)
        if (failed(ProgramBuilder(module, step, *cuts, ranks).build(*stages, stage, number++)))
          return signalPassFailure();
    for (Operation *op : llvm::reverse(wholes))
      op->erase();
  }
};
} // namespace
