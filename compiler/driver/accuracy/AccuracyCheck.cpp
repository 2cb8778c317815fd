//===- AccuracyCheck.cpp - What rounded weights cost ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/accuracy/AccuracyCheck.h"

#include "compiler/driver/EngineAssembly.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/accuracy/CalibrationText.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"

namespace tenon::compiler {

llvm::Expected<CalibrationText> loadCalibrationText(const CompileOptions &options) {
  if (options.calibrationText.empty())
    return CalibrationText{"bundled text", std::string(kCalibrationText)};
  auto buffer = llvm::MemoryBuffer::getFile(options.calibrationText);
  if (!buffer)
    return llvm::createStringError("--calibration-text " + options.calibrationText +
                                   ": cannot read: " + buffer.getError().message());
  if ((*buffer)->getBuffer().trim().empty())
    return llvm::createStringError("--calibration-text " + options.calibrationText +
                                   ": the file is empty; give a few hundred words or leave the "
                                   "option out");
  return CalibrationText{llvm::sys::path::filename(options.calibrationText).str(),
                         (*buffer)->getBuffer().str()};
}

/// The best variant of `target` that this machine runs.
static std::optional<engine::Variant> runnableVariant(const Target &target) {
  for (engine::Variant variant : cpu::kVariants)
    if (llvm::is_contained(target.variants, variant) &&
        cpu::missingFor(variant, cpu::cpuFeatures()).empty())
      return variant;
  return std::nullopt;
}

/// Writes an engine with the checkpoint's own weights to `path`.
static llvm::Error compileReference(const CompileOptions &asked,
                                    const frontend::Checkpoint &checkpoint,
                                    engine::Variant variant, const std::string &path,
                                    Progress &progress) {
  CompileOptions options = asked;
  options.weights = "keep";
  options.embeddingWeights.clear();
  options.activations = "int15";
  options.output = path;
  options.verify = options.explain = false;
  options.dumpAfter.clear();
  StageTimer timer;
  const Target target{"cpu:" + variantText(variant), {variant}};
  auto compiled = runPipeline(checkpoint, options, GridChoice(), target.text, timer,
                              [](llvm::StringRef, mlir::Operation *) { return true; });
  if (!compiled)
    return compiled.takeError();
  AssemblyRequest request{options, checkpoint, target, *compiled->module, *compiled->plan, {}};
  return assembleEngine(request, timer, progress).takeError();
}

llvm::Expected<AccuracyReport> checkAccuracy(const CompileOptions &options,
                                             const frontend::Checkpoint &checkpoint,
                                             const Target &target, const CalibrationText &text,
                                             const std::string &draft, Progress &progress) {
  AccuracyReport report;
  report.text = text.name;
  const std::optional<engine::Variant> variant = runnableVariant(target);
  if (checkpoint.randomSeed())
    report.skipped = "the weights are random";
  else if (checkpoint.tokenizer().model.empty())
    report.skipped = "the checkpoint has no tokenizer";
  else if (!variant)
    report.skipped = "this machine runs none of the target's variants";
  if (!report.skipped.empty())
    return report;

  llvm::SmallString<128> unique;
  llvm::sys::fs::createUniquePath(options.output + ".reference-%%%%%%", unique,
                                  /*MakeAbsolute=*/false);
  const std::string reference(unique.str());
  llvm::FileRemover remover(reference);
  llvm::sys::RemoveFileOnSignal(reference);
  if (llvm::Error error = compileReference(options, checkpoint, *variant, reference, progress))
    return std::move(error);
  progress.update("measuring accuracy", 0.5, text.name);
  auto divergence = measureDivergence(reference, draft, text.content, kMostCalibrationTokens);
  llvm::sys::DontRemoveFileOnSignal(reference);
  if (!divergence)
    return llvm::createStringError("accuracy of what was rounded: " +
                                   divergence.status().message() +
                                   "; --no-accuracy compiles without measuring it");
  report.divergence = *divergence;
  return report;
}

llvm::json::Object accuracyAsJson(const AccuracyReport &report) {
  if (!report.divergence)
    return llvm::json::Object{{"measured", false}, {"reason", report.skipped}};
  const Divergence &d = *report.divergence;
  return llvm::json::Object{{"measured", true},
          {"text", report.text},
          {"positions", d.positions},
          {"mean_kl", d.meanKl},
          {"max_kl", d.maxKl},
          {"top1_agreement", d.topAgreement},
          {"reference_perplexity", d.referencePerplexity},
          {"perplexity", d.perplexity},
          {"perplexity_change", d.perplexity / d.referencePerplexity - 1}};
}

void printAccuracy(llvm::raw_ostream &out, const AccuracyReport &report) {
  if (!report.divergence) {
    out << "accuracy was not measured: " << report.skipped << "\n";
    return;
  }
  const Divergence &d = *report.divergence;
  out << "accuracy against the checkpoint's own weights, " << d.positions << " positions of the "
      << report.text
      << llvm::format(": mean KL %.4f, max KL %.3f, same likeliest token %.1f %%, perplexity %.3f "
                      "to %.3f (%+.2f %%)\n",
                      d.meanKl, d.maxKl, 100 * d.topAgreement, d.referencePerplexity, d.perplexity,
                      100 * (d.perplexity / d.referencePerplexity - 1));
}

} // namespace tenon::compiler
