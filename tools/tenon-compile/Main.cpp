//===- Main.cpp - tenon-compile -------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The command line. What it asks for is done by compiler/driver.
//
#include "compiler/driver/CompileOptions.h"

#include <CLI/CLI.hpp>

#include <cstdio>

using tenon::compiler::CompileOptions;

static const char *const kFooter = R"(Examples:
  tenon-compile model.gguf -o model.tenon                    for every x86-64 machine
  tenon-compile model.gguf -o model.tenon --target cpu:native  for this machine only, in a third of the time
  tenon-compile model.gguf --plan-only                       memory and cost, without reading weights
  tenon-compile model.gguf --plan-only --max-context 32768 --memory-limit 4GiB
  tenon-compile config.json -o test.tenon --random-weights 1  any geometry without a checkpoint
  tenon-compile model.gguf -o model.tenon --verify           compare every kernel with the reference
  tenon-compile model.gguf -o model.tenon --weights q4       fewer bytes; prints what that costs
  tenon-compile model.gguf -o model.tenon --activations int8   faster prompts and batches; prints what that costs
  tenon-compile model.gguf -o model.tenon --chips 2 --sharding tp=2   two chips share each layer
  tenon-compile model.gguf --plan-only --chips chips.json --sharding auto   which grid suits these chips
  tenon-compile model.gguf --dump-after=fuse                 the model as launches

Exit codes: 0 done; 1 the input is damaged or not supported, or the output cannot be written;
2 the command line is wrong; 3 the plan needs more than --memory-limit; 4 --verify found a difference.)";

/// Reads "2GiB", "500MB", "1.5G" or bytes; throws what CLI11 reports.
static uint64_t readBytes(const std::string &text) {
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception &) {
    throw CLI::ValidationError("--memory-limit", "'" + text + "' is not a size");
  }
  std::string unit = CLI::detail::to_lower(text.substr(end));
  static const std::pair<const char *, double> units[] = {{"", 1},
                                                          {"b", 1},
                                                          {"k", 1024.0},
                                                          {"kib", 1024.0},
                                                          {"kb", 1e3},
                                                          {"m", 1048576.0},
                                                          {"mib", 1048576.0},
                                                          {"mb", 1e6},
                                                          {"g", 1073741824.0},
                                                          {"gib", 1073741824.0},
                                                          {"gb", 1e9},
                                                          {"t", 1099511627776.0},
                                                          {"tib", 1099511627776.0},
                                                          {"tb", 1e12}};
  for (auto [name, scale] : units)
    if (unit == name && value * scale >= 1 && value * scale < 1e18)
      return static_cast<uint64_t>(value * scale);
  throw CLI::ValidationError("--memory-limit",
                             "'" + text + "' is not a size; write bytes, or 500MB, 2GiB, 1.5G");
}

/// What is compiled, for which processors, and what its weights are if it has none.
static void addInputOptions(CLI::App &app, CompileOptions &options) {
  app.add_option("input", options.input,
                 "GGUF file, or a config.json together with --random-weights")
      ->required()
      ->type_name("IN");
  app.add_option("-o,--output", options.output, "Engine to write")->type_name("FILE");
  app.add_option("--target", options.target,
                 "cpu (avx2, avxvnni, avx512 and amx in one engine), cpu:native (the best that "
                 "this machine has), or "
                 "cpu:VARIANT[,VARIANT...], neon and neoni8mm (AArch64) among them")
      ->type_name("TARGET")
      ->capture_default_str();
  CLI::Option *random = app.add_option("--random-weights", options.randomSeed,
                                       "Make the weights at load from this seed (config.json)")
                            ->check(CLI::PositiveNumber)
                            ->type_name("SEED");
  app.add_option("--random-format", options.randomFormat, "Format of random matrices")
      ->needs(random)
      ->capture_default_str();
  app.add_option("--max-context", options.maxContext,
                 "Most positions of a sequence (default: the model's, at most 8192)")
      ->check(CLI::PositiveNumber);
}

/// In which formats weights are stored and products computed, and how that is measured.
static void addFormatOptions(CLI::App &app, CompileOptions &options) {
  app.add_option(
         "--weights", options.weights,
         "How matrices are stored: keep (as in the checkpoint), at most q4, q5, q6 or q8, or in a "
         "format by its name (bf16, q4_rm, ...); prints what it costs in accuracy")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("--embedding-weights", options.embeddingWeights,
                 "The same for the embedding and logits matrices (default: as --weights)")
      ->type_name("FORMAT");
  app.add_option("--weights-group", options.weightsGroup,
                 "Columns that share a scale in q4, q5, q6 and q8: 32 (default), 64 or 128, fewer "
                 "bytes and less exact")
      ->check(CLI::IsMember({32, 64, 128}))
      ->type_name("N");
  app.add_option("--weights-minimum", options.weightsMinimum,
                 "Whether such groups have a minimum beside the scale, on or off (default: on for "
                 "4 and 5 bits)")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--activations", options.activations,
                 "What enters integer products: int15 (exact to fp32) or int8 (half the "
                 "multiplications: faster prompts and batches); prints what int8 costs in accuracy")
      ->check(CLI::IsMember({"int15", "int8"}))
      ->capture_default_str();
  app.add_option("--calibration-text", options.calibrationText,
                 "Text to measure the accuracy of rounding on (default: a bundled one)")
      ->type_name("FILE");
  app.add_flag_callback(
      "--no-calibration", [&] { options.calibration = false; },
      "Round by the weights alone, without running the model on text of its own first");
  app.add_flag_callback(
      "--no-accuracy", [&] { options.accuracy = false; }, "Do not measure what rounding costs");
}

/// A choice of rows: "auto", "never" or a number.
static std::string checkRows(const std::string &text) {
  const bool number = !text.empty() && text.size() < 9 && text[0] != '0' &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return number || text == "auto" || text == "never"
             ? std::string()
             : "'" + text + "' is neither auto, never nor a number of rows from 1 on";
}

/// How many chips share the model, and how.
static void addChipOptions(CLI::App &app, CompileOptions &options) {
  app.add_option("--chips", options.chips,
                 "Number of chips that share the model (default: as --sharding says, else 1), or a "
                 "file that "
                 "describes them")
      ->type_name("N|FILE");
  app.add_option("--sharding", options.sharding,
                 "How they share it: tp=N chips in each layer, pp=N stages of layers, dp=N "
                 "replicas, several "
                 "as dp=2,tp=2, or auto, which a chips file makes the default")
      ->type_name("HOW");
  app.add_option("--prefer", options.prefer,
                 "What --sharding auto looks for: latency (of a request) or throughput")
      ->check(CLI::IsMember({"latency", "throughput"}))
      ->capture_default_str();
  app.add_option(
         "--collectives", options.collectives,
         "What chips add up: products in f32, or rounded to bf16 (half the bytes, less exact)")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--sequence-parallel", options.sequenceParallel,
                 "Chips that share layers add up, norm and round rows of their own in steps of so "
                 "many rows "
                 "and more: auto (from where the chips file says that it pays, else from 32 on), "
                 "never, or a number")
      ->check(checkRows)
      ->type_name("ROWS")
      ->capture_default_str();
  app.add_option("--overlap", options.overlap,
                 "In steps of so many rows and more, rows travel between processes while chips "
                 "that share layers compute: "
                 "auto (where the chips file says that it pays, else not), never, or a number; "
                 "needs --sequence-parallel")
      ->check(checkRows)
      ->type_name("ROWS")
      ->capture_default_str();
}

/// What is printed, checked and refused.
static void addReportOptions(CLI::App &app, CompileOptions &options) {
  app.add_flag("--plan-only", options.planOnly,
               "Print the memory and cost plan; reads no weight data");
  app.add_flag(
      "--verify", options.verify,
      "Run every kernel against the reference evaluation and store the errors in the engine");
  app.add_flag("--explain", options.explain, "Print what was fused, kept and rejected, and why");
  app.add_option("--dump-after", options.dumpAfter,
                 "Print the IR after a stage: import, shard, fuse, memory or plan")
      ->check(CLI::IsMember({"import", "shard", "fuse", "memory", "plan"}))
      ->type_name("STAGE");
  app.add_option_function<std::string>(
         "--memory-limit",
         [&options](const std::string &text) { options.memoryLimit = readBytes(text); },
         "Refuse a plan that needs more on a chip (2GiB, 500MB, bytes)")
      ->type_name("BYTES");
  app.add_flag("--json", options.json, "One JSON object on stdout");
  app.add_flag("-q,--quiet", options.quiet, "No progress on stderr");
}

/// Refuses what cannot be done at once, and nothing to do.
static void checkOptions(const CompileOptions &options) {
  if (options.json && !options.dumpAfter.empty())
    throw CLI::ValidationError("--json",
                               "and --dump-after both write to stdout; ask for one of them");
  if (options.verify && options.output.empty())
    throw CLI::ValidationError("--verify", "stores what it finds in the engine; add -o FILE");
  if (options.output.empty() && !options.planOnly && !options.explain && options.dumpAfter.empty())
    throw CLI::RequiredError("-o FILE (or --plan-only, --explain, --dump-after)");
}

static int run(int argc, char **argv) {
  CLI::App app("Compiles a checkpoint to one engine file that `tenon` runs.", "tenon-compile");
  app.footer(kFooter);
  app.set_version_flag("--version", "tenon-compile " TENON_VERSION);
  CompileOptions options;
  addInputOptions(app, options);
  addFormatOptions(app, options);
  addChipOptions(app, options);
  addReportOptions(app, options);
  try {
    app.parse(argc, argv);
    checkOptions(options);
  } catch (const CLI::ParseError &error) {
    const int code = app.exit(error);
    return code == 0 ? tenon::compiler::kSuccess : tenon::compiler::kUsage;
  }
  return tenon::compiler::runCompiler(options);
}

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "tenon-compile: error: %s\n", error.what());
    return tenon::compiler::kFailed;
  }
}
