//===- Pipeline.cpp - From a checkpoint to a verified plan ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Pipeline.h"

#include "compiler/driver/Overlap.h"
#include "compiler/driver/SequenceParallel.h"
#include "compiler/driver/WeightChoice.h"
#include "frontends/Importer.h"
#include "passes/fuse/Passes.h"
#include "passes/lower/LowerToPlan.h"
#include "passes/lower/Passes.h"
#include "passes/memory/Passes.h"
#include "passes/reblock/Passes.h"
#include "passes/shard/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

namespace tenon::compiler {

using namespace mlir;

/// Runs passes; on failure the error carries the diagnostics that they emitted.
static llvm::Error runPasses(Operation *op, llvm::function_ref<void(OpPassManager &)> build) {
  std::string diagnostics;
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure();
    diagnostics += (diagnostics.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  PassManager manager(op->getContext(), op->getName().getStringRef());
  build(manager);
  if (failed(manager.run(op)))
    return llvm::createStringError(diagnostics.empty() ? "a pass failed" : diagnostics);
  return llvm::Error::success();
}

static llvm::Expected<OwningOpRef<plan::EngineOp>>
lower(ModuleOp module, const frontend::Checkpoint &checkpoint, llvm::StringRef target) {
  std::string diagnostics;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    diagnostics += (diagnostics.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  auto engine = mlir::tenon::lowerToPlan(module, {target.str(), checkpoint.randomSeed()});
  if (failed(engine))
    return llvm::createStringError(diagnostics);
  // What ends a generation is the tokenizer's knowledge.
  const frontend::TokenizerMetadata &tokenizer = checkpoint.tokenizer();
  plan::ModelOp model = (*engine)->getModel();
  if (tokenizer.bos >= 0)
    model.setBos(tokenizer.bos);
  SmallVector<int64_t> ends;
  if (tokenizer.eos >= 0)
    ends.push_back(tokenizer.eos);
  for (int32_t id : tokenizer.extraEos)
    if (!llvm::is_contained(ends, id))
      ends.push_back(id);
  model.setEos(ends);
  return std::move(*engine);
}

/// Between chips of one process it was measured to pay from 16 rows on; nothing is known of others
/// without a file.
static constexpr uint32_t kRowsThatPayInOneProcess = 32;

/// Chips do rows of their own from as many on as was asked for, or as it pays.
static llvm::Error shareRows(plan::EngineOp engine, const CompileOptions &options,
                             const ChipsFile &chips) {
  const bool automatic = options.sequenceParallel == "auto",
             choose = automatic && !chips.links.empty();
  uint32_t from = choose ? 1 : kRowsThatPayInOneProcess;
  if (engine.getGrid().back() < 2 || options.sequenceParallel == "never")
    return llvm::Error::success();
  if (!automatic && llvm::StringRef(options.sequenceParallel).getAsInteger(10, from))
    return llvm::createStringError("--sequence-parallel " + options.sequenceParallel +
                                   " is neither auto nor never nor a number of rows");
  if (llvm::Error error = runPasses(engine, [&](OpPassManager &manager) {
        manager.addPass(mlir::tenon::createOwnRowsPass({from}));
      }))
    return error;
  if (choose)
    shareRowsFrom(engine, rowsThatPay(engine, chips));
  return llvm::Error::success();
}

/// Chips are called what their file calls them; those of the first replica are in the plan.
static void nameChips(plan::EngineOp engine, const ChipsFile &chips) {
  for (auto [chip, kind] : llvm::zip(engine.getOps<plan::ChipOp>(), chips.chips))
    plan::ChipOp(chip).setKind(kind.kind);
}

/// Of a block, where rows to begin with are asked for and no chips file says which is best.
static constexpr uint32_t kRowsOfABlock = 32;

/// Rows travel while chips compute from as many rows on as was asked for, or where it pays.
static llvm::Error overlapCollectives(plan::EngineOp engine, const CompileOptions &options,
                                      const ChipsFile &chips) {
  if (engine.getGrid().back() < 2 || options.overlap == "never")
    return llvm::Error::success();
  if (options.overlap == "auto") {
    overlapWhereItPays(engine, chips);
    return llvm::Error::success();
  }
  uint32_t from = 0;
  if (llvm::StringRef(options.overlap).getAsInteger(10, from))
    return llvm::createStringError("--overlap " + options.overlap +
                                   " is neither auto nor never nor a number of rows");
  return runPasses(engine, [&](OpPassManager &manager) {
    manager.addPass(mlir::tenon::createOverlapCollectivesPass({from, kRowsOfABlock}));
  });
}

llvm::Expected<Compiled> runPipeline(const frontend::Checkpoint &checkpoint,
                                     const CompileOptions &options, const GridChoice &grid,
                                     llvm::StringRef target, StageTimer &timer,
                                     llvm::function_ref<bool(llvm::StringRef, Operation *)> dump,
                                     const ChipsFile &chips) {
  Compiled result;
  result.context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  MLIRContext &context = *result.context;
  context.loadDialect<plan::PlanDialect>();
  if (options.explain) {
    result.decisions = std::make_unique<mlir::tenon::FusionReport>();
    if (failed(result.decisions->attach(context)))
      return llvm::createStringError("cannot collect the fuse stage's decisions");
  }

  const uint64_t longest = checkpoint.config().contextLength;
  const uint64_t standard = longest ? std::min(longest, kDefaultMaxContext) : kDefaultMaxContext;
  auto module = frontend::importCheckpoint(context, checkpoint,
                                           {options.maxContext ? options.maxContext : standard});
  if (!module)
    return module.takeError();
  result.module = std::move(*module);
  timer.finish("import");
  if (!dump("import", *result.module))
    return std::move(result);

  auto choice = chooseWeights(options);
  if (!choice)
    return choice.takeError();
  if (choice->changesAnything()) {
    if (llvm::Error error = runPasses(*result.module, [&](OpPassManager &manager) {
          mlir::tenon::buildReblockPipeline(
              manager, {formatName(choice->layers), formatName(choice->embedding),
                        choice->layersAtMost, choice->embeddingAtMost});
        }))
      return std::move(error);
    timer.finish("reblock");
  }
  const auto fuse = [&](OpPassManager &manager) {
    mlir::tenon::buildFusePipeline(manager, {options.activations == "int8" ? 8u : 15u});
  };
  if (grid.chips() > 1) {
    if (options.verify && !checkpoint.randomSeed() && grid.chipsOfReplica() > 1) {
      result.whole = result.module->clone();
      if (llvm::Error error = runPasses(*result.whole, fuse))
        return std::move(error);
    }
    if (llvm::Error error = runPasses(*result.module, [&](OpPassManager &manager) {
          if (grid.chipsOfReplica() > 1)
            mlir::tenon::buildShardPipeline(manager, grid.tensor, grid.pipeline, grid.replicas,
                                            options.collectives == "bf16");
          else // Nothing is shared out within a replica.
            manager.addPass(mlir::tenon::createReplicatePass({grid.replicas}));
        }))
      return std::move(error);
    timer.finish("shard");
    if (!dump("shard", *result.module))
      return std::move(result);
  }

  // The module itself, or each program that the shard stage has made of it.
  SmallVector<ModuleOp> programs(result.module->getOps<ModuleOp>());
  if (programs.empty())
    programs.push_back(*result.module);
  for (ModuleOp program : programs)
    if (llvm::Error error = runPasses(program, fuse))
      return std::move(error);
  timer.finish("fuse");
  if (!dump("fuse", *result.module))
    return std::move(result);

  auto engine = lower(*result.module, checkpoint, target);
  if (!engine)
    return engine.takeError();
  result.plan = std::move(*engine);
  nameChips(*result.plan, chips);
  if (llvm::Error error = shareRows(*result.plan, options, chips))
    return std::move(error);
  if (llvm::Error error = overlapCollectives(*result.plan, options, chips))
    return std::move(error);
  if (llvm::Error error = runPasses(*result.plan, [](OpPassManager &manager) {
        manager.addPass(mlir::tenon::createDedupKernelsPass());
        mlir::tenon::buildMemoryPipeline(manager);
      }))
    return std::move(error);
  if (!dump("memory", *result.plan)) {
    result.plan = nullptr;
    return std::move(result);
  }
  if (llvm::Error error = runPasses(*result.plan, [](OpPassManager &manager) {
        manager.addPass(mlir::tenon::createPlaceBarriersPass());
        manager.addPass(mlir::tenon::createVerifyPlanPass());
      }))
    return std::move(error);
  timer.finish("plan");
  if (!dump("plan", *result.plan))
    result.plan = nullptr;
  return std::move(result);
}

} // namespace tenon::compiler
