//===- IdleOptions.cpp - Options that would do nothing --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/IdleOptions.h"

#include "llvm/ADT/STLExtras.h"

namespace tenon::compiler {

/// Whether "auto", "never" or a number is a number.
static bool asksForRows(const std::string &choice) { return choice != "auto" && choice != "never"; }

/// Options for chips that share layers, where no two do.
static llvm::Error refuseWithoutTensorParallel(const CompileOptions &options) {
  const auto refuse = [](const std::string &option, llvm::StringRef what) {
    return llvm::createStringError(option + " is about " + what +
                                   ", and no two chips share a layer; give --sharding tp=2 or more "
                                   "with it, or leave it out");
  };
  if (options.collectives != "f32")
    return refuse("--collectives " + options.collectives, "what chips that share layers add up");
  if (asksForRows(options.sequenceParallel))
    return refuse("--sequence-parallel " + options.sequenceParallel,
                  "rows of chips that share layers");
  if (asksForRows(options.overlap))
    return refuse("--overlap " + options.overlap, "rows between chips that share layers");
  return llvm::Error::success();
}

bool asksForWeights(const CompileOptions &options) {
  return options.weights != "keep" ||
         (!options.embeddingWeights.empty() && options.embeddingWeights != "keep");
}

llvm::Error refuseIdleOptions(const CompileOptions &options, const GridChoice &grid, bool search) {
  if (!search && options.prefer == "throughput")
    return llvm::createStringError(
        "--prefer throughput says what --sharding auto looks for, and nothing is searched; "
        "give --chips FILE and no grid");
  if (grid.tensor < 2)
    if (llvm::Error error = refuseWithoutTensorParallel(options))
      return error;
  if (asksForRows(options.overlap) && options.sequenceParallel == "never")
    return llvm::createStringError("--overlap " + options.overlap +
                                   " is about rows of a chip's own, and --sequence-parallel never "
                                   "says that there are none; leave one of the two out");
  if (grid.chips() < 2 && llvm::is_contained(options.dumpAfter, "shard"))
    return llvm::createStringError(
        "--dump-after=shard: one chip shares nothing, so there is no such "
        "stage; give --sharding or --chips with it");
  if (!options.calibrationText.empty() &&
      (!options.accuracy || !(asksForWeights(options) || options.activations == "int8")))
    return llvm::createStringError(
        "--calibration-text " + options.calibrationText +
        " is read to measure what rounding costs, and " +
        (options.accuracy ? "nothing is rounded; give --weights or --activations int8 with it"
                          : "--no-accuracy says not to; leave one of the two out"));
  return llvm::Error::success();
}

} // namespace tenon::compiler
