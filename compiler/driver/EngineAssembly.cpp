//===- EngineAssembly.cpp - Plan, kernels and weights to a file -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/EngineAssembly.h"

#include "compiler/driver/KernelEmission.h"
#include "compiler/driver/MemorySummary.h"
#include "compiler/driver/ModelSections.h"
#include "compiler/driver/PredictionTable.h"
#include "compiler/driver/verify/ShardingCheck.h"
#include "compiler/engine/EngineWriter.h"
#include "compiler/engine/PlanTranslate.h"
#include "compiler/engine/WeightStream.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include "mlir/IR/Builders.h"

namespace tenon::compiler {

using engine::SectionKind;

std::string variantText(engine::Variant variant) { return std::string(cpu::variantName(variant)); }

static llvm::ArrayRef<uint8_t> bytesOf(llvm::StringRef text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// Adds what was found to the plan.
static void addChecks(mlir::plan::EngineOp plan, llvm::ArrayRef<RegionCheck> checks) {
  auto builder = mlir::OpBuilder::atBlockEnd(&plan.getBody().front());
  for (const RegionCheck &check : checks)
    mlir::plan::CheckOp::create(builder, plan.getLoc(), builder.getStringAttr(check.region),
                                builder.getF32FloatAttr(check.maxAbsError),
                                builder.getF32FloatAttr(check.maxRelError),
                                builder.getI64IntegerAttr(check.samples));
}

llvm::Expected<AssemblyResult> assembleEngine(const AssemblyRequest &request, StageTimer &timer,
                                              Progress &progress) {
  const CompileOptions &options = request.options;
  mlir::plan::EngineOp plan = request.plan;
  AssemblyResult result;
  std::optional<double> meanKl; // Of the chips' logits against one chip's.
  // Cheap things that can fail come before long ones.
  auto writer = EngineWriter::create(options.output);
  if (!writer)
    return writer.takeError();
  auto tokenizer = tokenizerSection(request.checkpoint);
  if (!tokenizer)
    return tokenizer.takeError();
  timer.finish("tokenizer");

  KernelEmission emission(plan, request.target.variants);
  auto checksum = checksumOfFile(request.checkpoint.path());
  if (!checksum)
    return checksum.takeError();
  if (llvm::Error error = writeWeights(**writer, plan, request.module, request.checkpoint,
                                       request.inputs, [&](uint64_t done, uint64_t all) {
                                         progress.update("packing", double(done) / all,
                                                         formatBytes(all));
                                       }))
    return std::move(error);
  timer.finish("weights");
  auto objects = emission.take();
  if (!objects)
    return objects.takeError();
  timer.finish("waiting for kernels");
  timer.record("kernels (beside weights)", emission.seconds());

  if (options.verify) {
    auto checks = checkRegions(request.module, plan, request.checkpoint,
                               StoredWeights(plan, **writer), *objects, progress);
    if (!checks)
      return checks.takeError();
    result.checks = std::move(*checks);
    if (request.whole) {
      progress.update("verifying", 1, "the chips together");
      auto together = checkSharding(request.whole, request.module, request.checkpoint);
      if (!together)
        return together.takeError();
      llvm::append_range(result.checks, together->regions);
      meanKl = together->meanKl;
    }
    result.differing = describeDiffering(result.checks);
    timer.finish("verify");
    if (!result.differing.empty())
      return std::move(result);
    addChecks(plan, result.checks);
  }

  auto add = [&](SectionKind kind, llvm::ArrayRef<uint8_t> bytes) {
    return bytes.empty() ? llvm::Error::success() : (*writer)->addSection(kind, bytes);
  };
  for (const KernelObject &object : *objects)
    if (llvm::Error error =
            (*writer)->addSection(SectionKind::Kernels, object.bytes, object.variant))
      return std::move(error);
  if (llvm::Error error = add(SectionKind::Plan, planToFlatBuffer(plan)))
    return std::move(error);
  if (llvm::Error error = add(SectionKind::Tokenizer, *tokenizer))
    return std::move(error);
  if (llvm::Error error =
          add(SectionKind::ChatTemplate, bytesOf(request.checkpoint.tokenizer().chatTemplate)))
    return std::move(error);
  if (request.measure) {
    auto draft = (*writer)->draft();
    if (!draft)
      return draft.takeError();
    auto accuracy = request.measure(*draft);
    if (!accuracy)
      return accuracy.takeError();
    result.accuracy = std::move(*accuracy);
    timer.finish("accuracy");
  }
  std::optional<llvm::json::Object> prediction;
  if (request.chips && !request.chips->chips.empty())
    prediction = predictionTable(plan, *request.chips);
  const std::string card =
      modelCard(request.checkpoint, options, plan.getProducer(), request.target.text, *checksum,
                result.accuracy, std::move(prediction));
  if (llvm::Error error = add(SectionKind::ModelCard, bytesOf(card)))
    return std::move(error);
  if (llvm::Error error = add(SectionKind::PlanText, bytesOf(planToText(plan))))
    return std::move(error);
  if (options.verify)
    if (llvm::Error error =
            add(SectionKind::Certificate, bytesOf(certificate(result.checks, meanKl))))
      return std::move(error);
  auto bytes = (*writer)->finish();
  if (!bytes)
    return bytes.takeError();
  result.bytes = *bytes;
  timer.finish("write");
  return std::move(result);
}

} // namespace tenon::compiler
