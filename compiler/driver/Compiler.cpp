//===- Compiler.cpp - tenon-compile's work --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/EngineAssembly.h"
#include "compiler/driver/Explain.h"
#include "compiler/driver/MemorySummary.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/PlanReport.h"
#include "compiler/driver/Progress.h"
#include "compiler/driver/Targets.h"
#include "compiler/driver/WeightChoice.h"
#include "compiler/driver/WeightUse.h"

#include "mlir/IR/Operation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <thread>

namespace tenon::compiler {

namespace {
/// One run of the compiler: every step returns an exit code when it is the last one.
class Run {
public:
  explicit Run(const CompileOptions &options) : options(options), progress(options.quiet) {}

  int run() {
    auto parsed = parseTarget(options.target);
    if (!parsed)
      return fail(parsed.takeError(), kUsage);
    target = std::move(*parsed);
    if (auto choice = chooseWeights(options); !choice)
      return fail(choice.takeError(), kUsage);
    auto text = loadCalibrationText(options);
    if (!text)
      return fail(text.takeError(), kUsage);
    calibration = std::move(*text);
    auto format = parseWeightFormat(options.randomFormat);
    if (!format)
      return fail(
          llvm::createStringError("--random-format " + options.randomFormat + ": no such format"),
          kUsage);

    auto opened = frontend::openCheckpoint(options.input, {options.randomSeed, *format});
    if (!opened)
      return fail(opened.takeError(), kFailed);
    checkpoint = std::move(*opened);
    timer.finish("open");

    auto result =
        runPipeline(*checkpoint, options, target.text, timer,
                    [&](llvm::StringRef stage, mlir::Operation *ir) { return dump(stage, ir); });
    if (!result)
      return fail(result.takeError(), kFailed);
    compiled = std::move(*result);
    weights = weightUses(*compiled.module, *checkpoint);
    measuresAccuracy = changesWeights(weights) && options.accuracy;
    if (options.explain && !options.json)
      explain(llvm::outs(), *compiled.decisions, weights, *checkpoint, options);
    if (!compiled.plan)
      return kSuccess; // Dumped, and nothing else was asked for.

    const uint64_t workers = std::max(1u, std::thread::hardware_concurrency());
    memory = summarizeMemory(*compiled.plan, workers);
    if (options.memoryLimit)
      if (llvm::Error error = checkMemoryLimit(*compiled.plan, workers, options.memoryLimit))
        return fail(std::move(error), kDoesNotFit);
    if (!options.planOnly && !options.output.empty())
      if (int code = write())
        return code;
    options.json ? printJson() : printText();
    return kSuccess;
  }

private:
  int fail(llvm::Error error, int code) {
    progress.clear();
    llvm::errs() << "tenon-compile: error: " << llvm::toString(std::move(error)) << "\n";
    return code;
  }

  /// Prints the stage if it was asked for; goes on as long as anything else was.
  bool dump(llvm::StringRef stage, mlir::Operation *ir) {
    if (llvm::is_contained(options.dumpAfter, stage)) {
      ir->print(llvm::outs(), mlir::OpPrintingFlags().useLocalScope());
      llvm::outs() << "\n";
      ++dumped;
    }
    return options.planOnly || options.explain || !options.output.empty() ||
           dumped < options.dumpAfter.size();
  }

  int write() {
    AssemblyRequest request{options, *checkpoint, target, *compiled.module, *compiled.plan, {}};
    if (measuresAccuracy)
      request.measure = [&](const std::string &draft) {
        return checkAccuracy(options, *checkpoint, target, calibration, draft, progress);
      };
    auto result = assembleEngine(request, timer, progress);
    if (!result)
      return fail(result.takeError(), kFailed);
    written = std::move(*result);
    if (!written.differing.empty())
      return fail(llvm::createStringError(written.differing), kDiffers);
    return kSuccess;
  }

  void printText() {
    llvm::raw_ostream &out = llvm::outs();
    progress.clear();
    if (options.planOnly) {
      printPlan(out, *compiled.plan, memory);
      return;
    }
    if (options.output.empty())
      return;
    for (const RegionCheck &check : written.checks)
      out << llvm::format(
          "verified %-28s max abs error %.3g, relative to the largest value %.3g (%u samples)\n",
          check.region.c_str(), check.maxAbsError, check.maxRelError, check.samples);
    out << options.output << ": " << formatBytes(written.bytes) << " for " << target.text
        << "; runs in " << formatBytes(memory.total()) << " (weights "
        << formatBytes(memory.storedWeights + memory.madeWeights) << ", activations "
        << formatBytes(memory.activations) << ", KV cache " << formatBytes(memory.kv)
        << ", workspace " << formatBytes(memory.workspace) << ")\n";
    if (changesWeights(weights)) {
      out << "weights, by format:\n";
      printWeightUses(out, weights);
    }
    if (written.accuracy)
      printAccuracy(out, *written.accuracy);
    out << llvm::format("compiled in %.2f s (", timer.total());
    llvm::interleaveComma(timer.all(), out, [&](const auto &stage) {
      out << stage.first << llvm::format(" %.2f", stage.second);
    });
    out << "); peak memory " << formatBytes(peakResidentBytes()) << "\n";
  }

  void printJson() {
    using llvm::json::Object;
    Object seconds;
    for (const auto &[stage, time] : timer.all())
      seconds[stage] = time;
    seconds["total"] = timer.total();
    llvm::json::Array variants;
    for (engine::Variant variant : target.variants)
      variants.push_back(variantText(variant));
    Object result{{"input", options.input},
                  {"target", target.text},
                  {"variants", std::move(variants)},
                  {"seconds", std::move(seconds)},
                  {"peak_rss_bytes", peakResidentBytes()},
                  {"weights", weightUsesAsJson(weights)},
                  {"plan", planAsJson(*compiled.plan, memory)}};
    if (written.bytes) {
      result["output"] = options.output;
      result["engine_bytes"] = written.bytes;
    }
    if (written.accuracy)
      result["accuracy"] = accuracyAsJson(*written.accuracy);
    if (options.verify) {
      llvm::json::Array checks;
      for (const RegionCheck &check : written.checks)
        checks.push_back(checkAsJson(check));
      result["checks"] = std::move(checks);
    }
    if (options.explain)
      result["explain"] = explainAsJson(*compiled.decisions);
    llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(result))) << "\n";
  }

  const CompileOptions &options;
  StageTimer timer;
  Progress progress;
  Target target;
  std::unique_ptr<frontend::Checkpoint> checkpoint;
  Compiled compiled;
  MemorySummary memory;
  AssemblyResult written;
  std::vector<WeightUse> weights;
  CalibrationText calibration;
  bool measuresAccuracy = false;
  size_t dumped = 0;
};
} // namespace

int runCompiler(const CompileOptions &options) { return Run(options).run(); }

} // namespace tenon::compiler
