//===- AccuracyCheck.cpp - What rounded weights cost ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/accuracy/AccuracyCheck.h"

#include "compiler/driver/accuracy/CalibrationText.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

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

/// Whether this machine runs a variant of `target`.
static bool runs(const Target &target) {
  return llvm::any_of(target.variants, [](engine::Variant variant) {
    return cpu::missingFor(variant, cpu::cpuFeatures()).empty();
  });
}

llvm::Expected<AccuracyReport> checkAccuracy(ReferenceEngine &reference, const Target &target,
                                             const CalibrationText &text, const std::string &draft,
                                             Progress &progress) {
  AccuracyReport report;
  report.text = text.name;
  report.skipped = reference.missing();
  if (report.skipped.empty() && !runs(target))
    report.skipped = "this machine runs none of the target's variants";
  if (!report.skipped.empty())
    return report;
  auto path = reference.path();
  if (!path)
    return path.takeError();
  progress.update("measuring accuracy", 0.5, text.name);
  auto divergence = measureDivergence(*path, draft, text.content, kMostCalibrationTokens);
  if (!divergence)
    return llvm::createStringError(
        "accuracy of what was rounded: " + divergence.status().message() +
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
