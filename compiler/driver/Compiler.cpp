//===- Compiler.cpp - tenon-compile's work --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/AutoSharding.h"
#include "compiler/driver/CollectiveReport.h"
#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/EngineAssembly.h"
#include "compiler/driver/Explain.h"
#include "compiler/driver/IdleOptions.h"
#include "compiler/driver/MemorySummary.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/PlanReport.h"
#include "compiler/driver/PredictionTable.h"
#include "compiler/driver/Progress.h"
#include "compiler/driver/Targets.h"
#include "compiler/driver/WeightChoice.h"
#include "compiler/driver/WeightUse.h"
#include "compiler/driver/calibration/Calibration.h"

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

    if (llvm::Error error = chooseGrid())
      return fail(std::move(error), kUsage);
    if (llvm::Error error = refuseIdleOptions(options, grid, search))
      return fail(std::move(error), kUsage);

    auto opened = frontend::openCheckpoint(options.input, {options.randomSeed, *format});
    if (!opened)
      return fail(opened.takeError(), kFailed);
    checkpoint = std::move(*opened);
    timer.finish("open");
    if (search)
      if (llvm::Error error = searchGrid())
        return fail(std::move(error), kDoesNotFit);

    if (!compiled.plan) { // Else the search has it.
      auto result = runPipeline(
          *checkpoint, options, grid, target.text, timer,
          [&](llvm::StringRef stage, mlir::Operation *ir) { return dump(stage, ir); }, chips);
      if (!result)
        return fail(result.takeError(), kFailed);
      compiled = std::move(*result);
    }
    weights = weightUses(*compiled.module, *checkpoint);
    measuresAccuracy =
        (changesWeights(weights) || options.activations == "int8") && options.accuracy;
    sayWhatIsNotDone();
    if (options.explain && !options.json)
      explain(llvm::outs(), *compiled.decisions, weights, *checkpoint, options);
    if (!compiled.plan)
      return kSuccess; // Dumped, and nothing else was asked for.
    if (options.explain && !options.json)
      explainCollectives(llvm::outs(), *compiled.plan, chips);

    const uint64_t workers = std::max(1u, std::thread::hardware_concurrency());
    memory = summarizeChips(*compiled.plan, workers);
    if (options.memoryLimit)
      if (llvm::Error error = checkMemoryLimit(*compiled.plan, memory, options.memoryLimit))
        return fail(std::move(error), kDoesNotFit);
    if (llvm::Error error = checkChips())
      return fail(std::move(error), kDoesNotFit);
    if (!options.planOnly && !options.output.empty())
      if (int code = write())
        return code;
    options.json ? printJson() : printText();
    return kSuccess;
  }

private:
  /// The chips, and how they share the model if that is said.
  llvm::Error chooseGrid() {
    uint64_t count = 0;
    const bool isNumber = !llvm::StringRef(options.chips).getAsInteger(10, count);
    if (isNumber && (count < 1 || count > 1024))
      return llvm::createStringError("--chips " + options.chips +
                                     ": give the number of chips, from 1 to 1024, or a chips file");
    if (!options.chips.empty() && !isNumber) {
      auto file = readChipsFile(options.chips);
      if (!file)
        return file.takeError();
      chips = std::move(*file);
      count = chips.chips.size();
    }
    search = options.sharding == "auto" || (options.sharding.empty() && !chips.chips.empty());
    if (search && chips.chips.empty())
      return llvm::createStringError("--sharding auto weighs strategies by what the chips can do; "
                                     "describe them in a file and give it with --chips FILE");
    if (search || options.sharding.empty()) {
      grid.tensor = std::max<uint64_t>(1, count);
      return llvm::Error::success();
    }
    auto parsed = parseSharding(options.sharding);
    if (!parsed)
      return parsed.takeError();
    grid = *parsed;
    if (count && static_cast<int64_t>(count) != grid.chips())
      return llvm::createStringError(
          "--sharding " + options.sharding + " is for " + llvm::Twine(grid.chips()) + " chips" +
          (grid.replicas > 1 ? " (" + std::to_string(grid.replicas) + " replicas of " +
                                   std::to_string(grid.chipsOfReplica()) + ")"
                             : std::string()) +
          ", and --chips " + options.chips + " has " + llvm::Twine(count));
    return llvm::Error::success();
  }

  /// The best strategy for the chips of the file.
  llvm::Error searchGrid() {
    auto found = searchStrategies(*checkpoint, options, target.text, chips);
    if (!found)
      return found.takeError();
    strategies = std::move(found->strategies);
    grid = found->grid;
    if (!options.explain && options.dumpAfter.empty())
      compiled = std::move(*found->compiled);
    timer.finish("choose sharding");
    return llvm::Error::success();
  }

  /// Every chip's memory against the file's, in every replica.
  llvm::Error checkChips() {
    for (size_t index = 0; index < chips.chips.size(); ++index)
      if (const MemorySummary &chip = memory[index % memory.size()];
          chip.total() > chips.chips[index].memory)
        return llvm::createStringError(
            "chip " + llvm::Twine(index) + " needs " + formatBytes(chip.total()) + " (weights " +
            formatBytes(chip.storedWeights + chip.madeWeights) + ", activations " +
            formatBytes(chip.activations) + ", KV cache " + formatBytes(chip.kv) + ", workspace " +
            formatBytes(chip.workspace) + ") and has " + formatBytes(chips.chips[index].memory) +
            "; try --sharding auto, a shorter --max-context, or more chips");
    return llvm::Error::success();
  }

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

  /// What only the checkpoint can tell, and a whole command line with --plan-only added to it.
  void sayWhatIsNotDone() {
    if (options.quiet)
      return;
    if (asksForWeights(options) && !changesWeights(weights))
      llvm::errs()
          << "tenon-compile: no matrix has more bits than was asked for; all are stored as "
             "in the checkpoint\n";
    if (options.planOnly && !options.output.empty())
      llvm::errs() << "tenon-compile: --plan-only: " << options.output << " is not written\n";
  }

  int write() {
    AssemblyRequest request{options,
                            *checkpoint,
                            target,
                            *compiled.module,
                            *compiled.plan,
                            {},
                            compiled.whole ? *compiled.whole : mlir::ModuleOp(),
                            &chips};
    ReferenceEngine reference(options, *checkpoint, progress);
    if (measuresAccuracy)
      request.measure = [&](const std::string &draft) {
        return checkAccuracy(reference, target, calibration, draft, progress);
      };
    std::unique_ptr<InputSource> inputs;
    if (options.calibration && roundsWeights(weights)) {
      calibrationMissing = reference.missing();
      if (calibrationMissing.empty()) {
        auto measured = calibrate(reference, options.output, progress);
        if (!measured)
          return fail(measured.takeError(), kFailed);
        inputs = std::move(*measured);
        request.inputs = inputs.get();
        timer.finish("calibration");
      }
    }
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
    if (!strategies.empty())
      printStrategies(out, strategies);
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
        << "; runs in ";
    llvm::interleave(
        memory, out,
        [&](const MemorySummary &chip) {
          out << formatBytes(chip.total()) << " (weights "
              << formatBytes(chip.storedWeights + chip.madeWeights) << ", activations "
              << formatBytes(chip.activations) << ", KV cache " << formatBytes(chip.kv)
              << ", workspace " << formatBytes(chip.workspace) << ")";
        },
        " + ");
    if (memory.size() > 1)
      out << " on " << memory.size() << " chips";
    if (grid.replicas > 1)
      out << ", and so in each of " << grid.replicas << " replicas, which share the mapped weights";
    out << (grid.chips() > 1 ? ", " + grid.text() : "") << "\n";
    if (changesWeights(weights)) {
      out << "weights, by format:\n";
      printWeightUses(out, weights);
      if (!calibrationMissing.empty())
        out << "rounded without measured inputs: " << calibrationMissing << "\n";
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
    if (!strategies.empty())
      result["strategies"] = strategiesAsJson(strategies);
    else if (!chips.chips.empty())
      result["strategies"] = strategiesAsJson(predict(grid, *compiled.plan, chips, memory));
    if (!chips.chips.empty())
      result["prediction"] = predictionTable(*compiled.plan, chips);
    if (written.bytes) {
      result["output"] = options.output;
      result["engine_bytes"] = written.bytes;
    }
    if (roundsWeights(weights))
      result["calibrated"] = options.calibration && calibrationMissing.empty();
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
  ChipsFile chips;     ///< Empty unless a file was given.
  bool search = false; ///< The compiler chooses the grid.
  GridChoice grid;
  std::vector<Strategy> strategies;  ///< Of the search.
  std::vector<MemorySummary> memory; ///< By chip.
  AssemblyResult written;
  std::vector<WeightUse> weights;
  CalibrationText calibration;
  std::string calibrationMissing; ///< Why weights were rounded without measured inputs.
  bool measuresAccuracy = false;
  size_t dumped = 0;
};
} // namespace

int runCompiler(const CompileOptions &options) { return Run(options).run(); }

} // namespace tenon::compiler
