//===- SampleStep.h - A small step to compare kernels on --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_VERIFY_SAMPLESTEP_H
#define TENON_COMPILER_DRIVER_VERIFY_SAMPLESTEP_H

#include "runtime/device/cpu/KernelAbi.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace tenon::compiler {

/// 64-byte aligned zeroed memory, as kernels want it.
class AlignedBytes {
public:
  explicit AlignedBytes(size_t size = 0);
  uint8_t *data() { return bytes.get(); }
  const uint8_t *data() const { return bytes.get(); }
  size_t size() const { return length; }
  template <typename T> T *as() { return reinterpret_cast<T *>(bytes.get()); }

private:
  struct Free {
    void operator()(uint8_t *memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t, Free> bytes;
  size_t length;
};

/// Reproducible numbers (SplitMix64; Steele, Lea, Flood 2014).
class SampleRandom {
public:
  explicit SampleRandom(uint64_t seed) : state(seed) {}
  uint64_t next();
  /// Between -1 and 1.
  float number() { return static_cast<float>(static_cast<int64_t>(next()) >> 40) * 0x1p-23f; }

private:
  uint64_t state;
};

/// Rows of one sequence in a step.
struct SampleRun {
  uint32_t firstPosition, rows;
};

/// A step of several sequences, with what the kernels and the reference each want to know of it.
class SampleStep {
public:
  SampleStep(llvm::ArrayRef<SampleRun> runs, uint32_t vocabulary, SampleRandom &random);

  uint32_t tokens() const { return ids.size(); }
  uint32_t logitRowCount() const { return logitRows.size(); }
  uint32_t blocks() const { return blockTables.size(); }
  /// Block and slot of a position.
  uint32_t blockOf(uint32_t sequence, uint32_t position) const {
    return blockTables[sequence * stride + position / cpu::kBlockTokens];
  }
  cpu::StepView view() const;

  std::vector<int32_t> ids, positions, sequences, logitRows;

private:
  uint32_t stride = 0;
  std::vector<int32_t> blockTables; ///< Blocks in a scrambled order.
  std::vector<cpu::AttentionTile> tiles;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_SAMPLESTEP_H
