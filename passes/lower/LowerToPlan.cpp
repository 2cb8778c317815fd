//===- LowerToPlan.cpp - From fused regions to a plan ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/LowerToPlan.h"

#include "passes/lower/Passes.h"
#include "passes/lower/ProgramLowering.h"

#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_LOWERTOPLANPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr const char *kProducer = "tenon 0.1.0";

/// Builds the plan of one module, or of the programs within it.
class PlanBuilder {
public:
  PlanBuilder(ModuleOp module, const LowerToPlanOptions &options)
      : module(module), options(options), builder(module.getContext()) {}

  FailureOr<OwningOpRef<plan::EngineOp>> run() {
    if (failed(findPrograms()))
      return failure();
    StringRef logits;
    for (ProgramLowering &program : programs) {
      if (failed(program.analyse()))
        return failure();
      if (!program.logitsBuffer().empty())
        logits = program.logitsBuffer();
    }
    OwningOpRef<plan::EngineOp> owned = plan::EngineOp::create(
        builder, module.getLoc(), builder.getStringAttr(kProducer),
        builder.getStringAttr(options.target), builder.getDenseI64ArrayAttr(grid), replicas,
        FlatSymbolRefAttr::get(builder.getContext(), logits));
    engine = *owned;
    builder.setInsertionPointToStart(&engine.getBody().emplaceBlock());
    addModelAndLimits();
    addChips();
    addKv();
    for (auto [number, program] : llvm::enumerate(programs)) {
      const uint64_t stored = program.addWeights(builder);
      for (auto chip : engine.getOps<plan::ChipOp>())
        if (chip.getProgramNumber() == number)
          chip.setWeightsBytes(stored);
    }
    unsigned kernels = 0;
    for (ProgramLowering &program : programs)
      kernels = program.addKernels(builder, kernels);
    if (grid.size() == 1 ||
        grid.front() == 1) // The next micro-batch of a pipeline writes over a state.
      programs[programOfChip[programOfChip.size() - grid.back()]].addPooling(builder);
    for (ProgramLowering &program : programs)
      if (failed(program.addFunctions(builder)))
        return failure();
    for (const ProgramLowering &program : programs)
      program.addCalls(builder);
    return std::move(owned);
  }

private:
  LogicalResult findPrograms();
  void addModelAndLimits();
  void addChips();
  void addKv();

  IntegerAttr number(uint64_t value) { return builder.getI64IntegerAttr(value); }
  StringAttr configText(StringRef name) {
    auto all = module->getAttrOfType<DictionaryAttr>(TenonDialect::kConfigAttrName);
    auto value = all ? all.getAs<StringAttr>(name) : StringAttr();
    return value ? value : builder.getStringAttr("");
  }
  /// The whole model's KV cache.
  CacheType cache() {
    auto whole = module->getAttrOfType<TypeAttr>(TenonDialect::kCacheAttrName);
    return whole ? cast<CacheType>(whole.getValue()) : programs.front().cache();
  }

  ModuleOp module;
  const LowerToPlanOptions &options;
  OpBuilder builder;
  SmallVector<int64_t> grid = {1};
  IntegerAttr replicas; ///< Null for one.
  std::vector<ProgramLowering> programs;
  SmallVector<uint32_t> programOfChip;
  plan::EngineOp engine;
};
} // namespace

/// The module itself runs on one chip; modules within it on those that they list.
LogicalResult PlanBuilder::findPrograms() {
  shard::GridOp gridOp;
  for (auto op : module.getOps<shard::GridOp>()) {
    gridOp = op;
    grid = llvm::to_vector(op.getShape());
    replicas = op->getAttrOfType<IntegerAttr>(TenonDialect::kReplicasAttrName);
  }
  int64_t chips = 1;
  for (int64_t size : grid)
    chips *= size;
  if (module.getOps<ModuleOp>().empty()) {
    if (chips != 1)
      return gridOp.emitOpError(
          "has more than one chip, and the module is not partitioned; run the shard stage before");
    programs.emplace_back(module, 0, options);
    programOfChip = {0};
    return success();
  }
  programOfChip.assign(chips, -1);
  for (auto program : module.getOps<ModuleOp>()) {
    auto list = program->getAttrOfType<DenseI64ArrayAttr>(TenonDialect::kChipsAttrName);
    if (!list)
      return program.emitOpError("lists no ") << TenonDialect::kChipsAttrName;
    for (int64_t chip : list.asArrayRef()) {
      if (chip < 0 || chip >= chips)
        return program.emitOpError("runs on chip ") << chip << " of a grid of " << chips;
      if (programOfChip[chip] != static_cast<uint32_t>(-1))
        return program.emitOpError("runs on chip ") << chip << ", as another program does";
      programOfChip[chip] = programs.size();
    }
    programs.emplace_back(program, programs.size(), options);
  }
  const auto *idle = llvm::find(programOfChip, static_cast<uint32_t>(-1));
  if (idle != programOfChip.end())
    return module.emitError("has no program for chip ") << idle - programOfChip.begin();
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
  uint64_t vocabulary = 0, hidden = 0;
  for (const ProgramLowering &program : programs) {
    vocabulary = std::max(vocabulary, program.vocabulary());
    hidden = std::max(hidden, program.hidden());
  }
  plan::ModelOp::create(builder, module.getLoc(), configText("name"), configText("architecture"),
                        number(vocabulary), number(hidden), number(cache().getLayers()),
                        number(parameters), IntegerAttr(), builder.getDenseI64ArrayAttr({}),
                        builder.getStringAttr(StringRef(::tenon::formatInfo(most).name)));
  auto context = module->getAttrOfType<IntegerAttr>(TenonDialect::kMaxContextAttrName);
  plan::LimitsOp::create(builder, module.getLoc(), number(context ? context.getInt() : 0),
                         number(0), number(0), number(0), number(0), number(0));
}

void PlanBuilder::addKv() {
  plan::KvOp::create(builder, module.getLoc(), number(cache().getLayers()),
                     number(cache().getKvHeads()), number(cache().getHeadDim()), number(0),
                     number(0), number(0));
}

/// Every chip has the buffers of all programs by name; those of others have no size.
void PlanBuilder::addChips() {
  MLIRContext *context = builder.getContext();
  auto zero = plan::ExtentAttr::get(context, 0, 0, 0, 0);
  llvm::MapVector<StringRef, SmallVector<plan::ExtentAttr>> sizes;
  for (auto [index, program] : llvm::enumerate(programs))
    for (const BufferInfo &info : program.buffers()) {
      SmallVector<plan::ExtentAttr> &ofPrograms = sizes[info.name];
      ofPrograms.resize(programs.size(), zero);
      ofPrograms[index] =
          plan::ExtentAttr::get(context, 0, info.bytesPerToken, info.bytesPerLogitRow, 0);
    }
  for (auto [index, program] : llvm::enumerate(programs))
    if (const uint64_t bytes = program.workspaceBytes()) {
      SmallVector<plan::ExtentAttr> &ofPrograms = sizes[ProgramLowering::kWorkspace];
      ofPrograms.resize(programs.size(), zero);
      ofPrograms[index] = plan::ExtentAttr::get(context, 0, 0, 0, bytes);
    }
  const bool several = programOfChip.size() > 1;
  auto optional = [&](bool present, uint64_t value) {
    return present ? number(value) : IntegerAttr();
  };
  for (auto [id, program] : llvm::enumerate(programOfChip)) {
    auto arena = zero;
    for (auto &[name, ofPrograms] : sizes)
      arena = arena.max(ofPrograms[program]);
    const CacheType local = programs[program].cache();
    const int64_t first = programs[program].firstToken(id % grid.back()).value_or(0);
    const int64_t head = programs[program].firstKvHead(id % grid.back());
    OpBuilder::InsertionGuard guard(builder);
    auto chip = plan::ChipOp::create(builder, module.getLoc(), number(id),
                                     builder.getStringAttr("cpu"), optional(program != 0, program),
                                     arena, number(0), optional(several, local.getLayers()),
                                     optional(several, local.getKvHeads()),
                                     optional(head != 0, head), optional(first != 0, first));
    builder.setInsertionPointToStart(&chip.getBody().emplaceBlock());
    for (auto &[name, ofPrograms] : sizes)
      plan::BufferOp::create(builder, module.getLoc(), builder.getStringAttr(name), zero,
                             ofPrograms[program]);
  }
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
