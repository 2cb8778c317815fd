//===- KernelHarness.h - Emit, load and call one kernel ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_KERNELS_KERNELHARNESS_H
#define TENON_TEST_KERNELS_KERNELHARNESS_H

#include "compiler/pack/Packer.h"
#include "compiler/targets/cpu/Codegen.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/device/cpu/KernelLibrary.h"
#include "test/kernels/TileTrap.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tenon::test {

/// Variants that this machine can execute, natively, (Amx) with its tile instructions trapped, or
/// (Neon, NeonI8mm) under qemu-user.
std::vector<engine::Variant> hostVariants();
/// Those that it executes itself.
std::vector<engine::Variant> nativeVariants();

/// 64-byte aligned bytes, zeroed.
class Bytes {
public:
  explicit Bytes(size_t size = 0);
  uint8_t *data() const { return static_cast<uint8_t *>(memory.get()); }
  float *f32() const { return reinterpret_cast<float *>(memory.get()); }
  uint16_t *u16() const { return reinterpret_cast<uint16_t *>(memory.get()); }
  size_t size() const { return length; }

private:
  std::shared_ptr<void> memory;
  size_t length;
};

/// One buffer of a launch.
struct BufferRef {
  uint8_t *data;
  size_t size;
  BufferRef(const Bytes &bytes) : data(bytes.data()), size(bytes.size()) {}
  BufferRef(uint8_t *data, size_t size) : data(data), size(size) {}
};

/// A weight matrix with random content in a block format: packed for kernels, and its values as
/// f32.
struct TestWeight {
  Bytes packed;
  std::vector<float> values; // [rows, columns]
};
TestWeight makeWeight(WeightFormat format, uint32_t rows, uint32_t columns, std::mt19937 &random);

/// Standard normal values.
Bytes makeFloats(size_t count, std::mt19937 &random, float deviation = 1.0f);

/// Independent quantiser of one row (KernelAbi.h's formula); writes the row and returns its values
/// after rounding.
std::vector<float> quantizeRow(const float *x, uint32_t columns, uint8_t *row, uint32_t bits = 15);
/// The values a QuantRow stands for.
std::vector<float> dequantizeQuantRow(const uint8_t *row, uint32_t columns, uint32_t bits = 15);

/// A step of `sequences` with the given first positions and row counts; owns its arrays. Block
/// tables give out blocks in a scrambled order.
struct TestStep {
  struct Run {
    uint32_t firstPosition, rows;
  };
  explicit TestStep(const std::vector<Run> &runs, uint32_t maxTileRows = cpu::kAttentionTileRows);
  cpu::StepView view{};
  std::vector<int32_t> ids, positions, sequence, tables, logitRows;
  std::vector<cpu::AttentionTile> tiles;
  uint32_t numBlocks = 0;
};

/// One emitted kernel of one variant.
class TestKernel {
public:
  TestKernel(const cpu::KernelSpec &spec, engine::Variant variant);
  ~TestKernel();
  TestKernel(TestKernel &&) = default;

  /// Runs all `workers` shares, one after the other.
  void run(const std::vector<BufferRef> &buffers, const cpu::StepView &step,
           uint32_t workers = 1) const;
  /// Runs what is worker `worker`'s beforehand, as if others had claimed all the rest. Native
  /// variants only.
  void runFixedShare(const std::vector<BufferRef> &buffers, const cpu::StepView &step,
                     uint32_t worker, uint32_t workers) const;
  /// Of the last run, where tile instructions are trapped.
  const TileCounts &tileCounts() const { return counted; }
  /// The same with a thread for each worker. Native variants only.
  void runThreads(const std::vector<BufferRef> &buffers, const cpu::StepView &step,
                  uint32_t workers) const;

private:
  void runForeign(const std::vector<BufferRef> &buffers, const cpu::StepView &step,
                  uint32_t workers) const;

  std::string foreignObject; ///< Path of the object, for the emulated runner.
  cpu::KernelLibrary library;
  cpu::KernelFn function = nullptr;
  bool trapped; ///< Tile instructions are carried out by a TileTrap.
  mutable TileCounts counted;
  uint64_t scratchSize;
};

/// Largest |a - b| over the largest |b|.
double relativeError(const float *a, const std::vector<float> &b);

float halfToFloat(uint16_t h);

} // namespace tenon::test

#endif // TENON_TEST_KERNELS_KERNELHARNESS_H
