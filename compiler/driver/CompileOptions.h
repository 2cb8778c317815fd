//===- CompileOptions.h - What tenon-compile was asked to do ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Plain data without LLVM headers: the command line is read in a unit that may throw.
//
#ifndef TENON_COMPILER_DRIVER_COMPILEOPTIONS_H
#define TENON_COMPILER_DRIVER_COMPILEOPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::compiler {

struct CompileOptions {
  std::string input;            ///< GGUF file, or config.json with `randomSeed`.
  std::string output;           ///< Engine to write; empty: nothing is written.
  std::string target = "cpu";   ///< cpu, cpu:native, cpu:avx512,avx2, …
  std::string weights = "keep"; ///< keep, bf16, q4, q5, q6, q8, or a format by its name.
  std::string
      embeddingWeights; ///< Likewise, of the embedding and logits matrices; empty: as `weights`.
  uint32_t weightsGroup = 0; ///< Columns under one scale of a width: 32, 64 or 128; 0: the default.
  std::string weightsMinimum; ///< Whether groups of a width have a minimum: on, off; empty: what is
                              ///< best for it.
  std::string activations = "int15"; ///< What enters integer products: int15 or int8.
  std::string calibrationText;       ///< File to measure rounding on; empty: the bundled text.
  bool calibration = true;           ///< Round with measured inputs.
  bool accuracy = true;              ///< Measure what rounded weights or 8-bit activations cost.
  std::string randomFormat = "q4_0"; ///< Of matrices that are made at load.
  uint64_t randomSeed = 0;           ///< != 0: weights are made at load.
  uint64_t maxContext = 0;           ///< 0: the default.
  uint64_t memoryLimit = 0;          ///< Bytes on each chip; 0: none.
  std::string chips;                 ///< Number of chips, or a chips file; empty: one chip.
  std::string sharding;              ///< auto, or dp=2,tp=2,pp=2; empty: auto.
  std::string prefer = "latency";    ///< What auto looks for: latency of a request, or throughput.
  std::string collectives = "f32";   ///< What chips add up: f32, or products rounded to bf16.
  std::string sequenceParallel =
      "auto";                   ///< auto, never, or rows of a step from which on it is done.
  std::string overlap = "auto"; ///< Whether rows travel while chips compute: as sequenceParallel.
  bool planOnly = false, verify = false, explain = false, json = false, quiet = false;
  std::vector<std::string> dumpAfter; ///< import, shard, fuse, memory, plan
};

/// Exit codes of tenon-compile.
enum ExitCode : int {
  kSuccess = 0,
  kFailed = 1, ///< The input is damaged, unknown or not supported, or the output cannot be written.
  kUsage = 2,  ///< The command line is wrong.
  kDoesNotFit = 3, ///< The plan needs more than --memory-limit.
  kDiffers = 4,    ///< --verify found a kernel that differs from the reference.
};

/// Compiles; writes results to stdout, progress and errors to stderr.
int runCompiler(const CompileOptions &options);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_COMPILEOPTIONS_H
