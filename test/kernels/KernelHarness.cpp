//===- KernelHarness.cpp - Emit, load and call one kernel -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/kernels/KernelHarness.h"
#include "test/kernels/StepCounts.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <unistd.h>

namespace tenon::test {

std::vector<engine::Variant> nativeVariants() {
  std::vector<engine::Variant> variants;
  for (auto v : cpu::kVariants)
    if (cpu::missingFor(v, cpu::cpuFeatures()).empty())
      variants.push_back(v);
  return variants;
}

std::vector<engine::Variant> hostVariants() {
  std::vector<engine::Variant> variants = nativeVariants();
  if (canTrapTiles())
    variants.push_back(engine::Variant::Amx);
#ifdef TENON_FOREIGN_RUNNER
  for (auto v : {engine::Variant::Neon, engine::Variant::NeonI8mm})
    if (!cpu::missingFor(v, cpu::cpuFeatures()).empty())
      variants.push_back(v);
#endif
  return variants;
}

Bytes::Bytes(size_t size) : length(size) {
  size_t padded = (size + 127) / 64 * 64;
  memory.reset(std::aligned_alloc(64, padded), std::free);
  std::memset(memory.get(), 0, padded);
}

/// Formats that no checkpoint has: random panels, read by the layout's reference.
static TestWeight makeRowScaledWeight(WeightFormat format, uint32_t rows, uint32_t columns,
                                      std::mt19937 &random) {
  TestWeight weight{Bytes(packedBytes(format, rows, columns)),
                    std::vector<float>(size_t(rows) * columns)};
  for (size_t i = 0; i < weight.packed.size(); ++i)
    weight.packed.data()[i] = static_cast<uint8_t>(random());
  const PanelLayout layout(format, columns);
  for (uint64_t panel = 0; panel < panelCount(rows); ++panel)
    for (uint32_t i = 0; i < kPanelChannels * (formatInfo(format).hasMin ? 2 : 1); ++i) {
      // f16 from 2^-13 to 2^-10, since codes go to 255; rows that pad the last panel are zero.
      const bool padding = panel * kPanelChannels + i % kPanelChannels >= rows;
      const uint16_t half =
          padding ? 0 : static_cast<uint16_t>((random() & 0x3ff) | ((2 + random() % 4) << 10));
      std::memcpy(weight.packed.data() + panel * layout.bytes + layout.superScale + 2 * i, &half,
                  2);
    }
  for (uint32_t r = 0; r < rows; ++r)
    for (uint32_t c = 0; c < columns; ++c)
      weight.values[size_t(r) * columns + c] = compiler::unpackValue(
          format, {weight.packed.data(), weight.packed.size()}, columns, r, c);
  return weight;
}

TestWeight makeWeight(WeightFormat format, uint32_t rows, uint32_t columns, std::mt19937 &random) {
  if (formatInfo(format).rowScales)
    return makeRowScaledWeight(format, rows, columns, random);
  // Bytes of a GGUF block by format: total size, and where its f16 scales lie.
  struct Block {
    uint32_t values, bytes;
    std::vector<uint32_t> halves;
  };
  const Block block = [&]() -> Block {
    switch (format) {
    case WeightFormat::F32:
      return {1, 4, {}};
    case WeightFormat::F16:
      return {1, 2, {0}};
    case WeightFormat::BF16:
      return {1, 2, {}};
    case WeightFormat::Q8_0:
      return {32, 34, {0}};
    case WeightFormat::Q4_0:
      return {32, 18, {0}};
    case WeightFormat::Q4_1:
      return {32, 20, {0, 2}};
    case WeightFormat::Q5_0:
      return {32, 22, {0}};
    case WeightFormat::Q5_1:
      return {32, 24, {0, 2}};
    case WeightFormat::Q4_K:
      return {256, 144, {0, 2}};
    case WeightFormat::Q5_K:
      return {256, 176, {0, 2}};
    case WeightFormat::Q6_K:
      return {256, 210, {208}};
    default:
      break;
    }
    return {1, 4, {}};
  }();
  std::vector<uint8_t> bytes(size_t(rows) * columns / block.values * block.bytes);
  std::normal_distribution<float> normal;
  for (size_t at = 0; at < bytes.size(); at += block.bytes) {
    for (uint32_t i = 0; i < block.bytes; ++i)
      bytes[at + i] = static_cast<uint8_t>(random());
    for (uint32_t half : block.halves) { // sign, exponent 2^-6..2^-3, random mantissa
      uint16_t h = static_cast<uint16_t>((random() & 0x83ff) | ((9 + random() % 4) << 10));
      std::memcpy(&bytes[at + half], &h, 2);
    }
    if (format == WeightFormat::F32 || format == WeightFormat::BF16) {
      float v = normal(random);
      uint32_t bits;
      std::memcpy(&bits, &v, 4);
      if (format == WeightFormat::F32)
        std::memcpy(&bytes[at], &bits, 4);
      else {
        uint16_t upper = bits >> 16;
        std::memcpy(&bytes[at], &upper, 2);
      }
    }
  }
  frontend::Tensor tensor{"test", format, rows, columns, bytes};
  TestWeight weight{Bytes(packedBytes(format, rows, columns)),
                    std::vector<float>(size_t(rows) * columns)};
  llvm::cantFail(
      compiler::packMatrix(tensor, {}, 0, rows, {weight.packed.data(), weight.packed.size()}));
  for (uint32_t r = 0; r < rows; ++r)
    frontend::dequantizeRow(tensor, r, {weight.values.data() + size_t(r) * columns, columns});
  return weight;
}

Bytes makeFloats(size_t count, std::mt19937 &random, float deviation) {
  Bytes out(count * 4);
  std::normal_distribution<float> normal(0, deviation);
  for (size_t i = 0; i < count; ++i)
    out.f32()[i] = normal(random);
  return out;
}

std::vector<float> quantizeRow(const float *x, uint32_t columns, uint8_t *row, uint32_t bits) {
  const cpu::QuantRowLayout layout(columns, bits);
  const float steps = bits == 8 ? 127.0f : 16256.0f;
  auto put = [&](uint64_t offset, auto value) { std::memcpy(row + offset, &value, 4); };
  for (uint32_t g = 0; g < columns / 32; ++g) {
    const float *group = x + g * 32;
    float amax = 0;
    for (uint32_t i = 0; i < 32; ++i)
      amax = std::max(amax, std::fabs(group[i]));
    const float scale = amax * (1.0f / steps), inverse = amax > 0 ? steps / amax : 0.0f;
    int32_t sums[2] = {0, 0};
    for (uint32_t i = 0; i < 32; ++i) {
      const int32_t q = static_cast<int32_t>(std::nearbyint(group[i] * inverse));
      const int32_t high = (q + 64 + 128 * 1024) / 128 - 1024; // floor, whatever the sign
      row[g * 32 + i] = static_cast<uint8_t>(bits == 8 ? q : high);
      if (bits != 8)
        row[layout.lowOffset() + g * 32 + i] = static_cast<uint8_t>(q - 128 * high);
      sums[i / 16] += q;
    }
    put(layout.scaleOffset() + g * 4, scale);
    put(layout.sumOffset() + g * 4, scale * float(sums[0] + sums[1]));
    put(layout.negSum32Offset() + g * 4, -(sums[0] + sums[1]));
    put(layout.negSum16Offset() + g * 8, -sums[0]);
    put(layout.negSum16Offset() + g * 8 + 4, -sums[1]);
  }
  return dequantizeQuantRow(row, columns, bits);
}

std::vector<float> dequantizeQuantRow(const uint8_t *row, uint32_t columns, uint32_t bits) {
  std::vector<float> values(columns);
  const cpu::QuantRowLayout layout(columns, bits);
  for (uint32_t i = 0; i < columns; ++i) {
    float scale;
    std::memcpy(&scale, row + layout.scaleOffset() + i / 32 * 4, 4);
    int32_t q = static_cast<int8_t>(row[i]);
    if (bits != 8)
      q = 128 * q + static_cast<int8_t>(row[layout.lowOffset() + i]);
    values[i] = scale * q;
  }
  return values;
}

TestStep::TestStep(const std::vector<Run> &runs, uint32_t maxTileRows) {
  uint32_t stride = 0;
  for (const Run &run : runs)
    stride = std::max(stride,
                      (run.firstPosition + run.rows + cpu::kBlockTokens - 1) / cpu::kBlockTokens);
  numBlocks = stride * runs.size();
  tables.assign(numBlocks, 0);
  for (uint32_t i = 0; i < numBlocks; ++i)
    tables[i] = static_cast<int32_t>((i * 7 + 3) % numBlocks);
  if (numBlocks % 7 == 0) // 7 is no generator then; reverse instead
    for (uint32_t i = 0; i < numBlocks; ++i)
      tables[i] = static_cast<int32_t>(numBlocks - 1 - i);
  for (uint32_t s = 0; s < runs.size(); ++s) {
    for (uint32_t r = 0; r < runs[s].rows; ++r) {
      if (r % maxTileRows == 0)
        tiles.push_back(
            {static_cast<uint32_t>(ids.size()), std::min(maxTileRows, runs[s].rows - r)});
      ids.push_back(static_cast<int32_t>(ids.size() * 5 % 23));
      positions.push_back(static_cast<int32_t>(runs[s].firstPosition + r));
      sequence.push_back(static_cast<int32_t>(s));
    }
    logitRows.push_back(static_cast<int32_t>(ids.size()) - 1);
  }
  view.numTokens = ids.size();
  view.numSequences = runs.size();
  view.numLogitRows = logitRows.size();
  view.blockTableStride = stride;
  view.numAttentionTiles = tiles.size();
  view.tokenIds = ids.data();
  view.positions = positions.data();
  view.rowSequence = sequence.data();
  view.blockTables = tables.data();
  view.logitRows = logitRows.data();
  view.attentionTiles = tiles.data();
}

TestKernel::TestKernel(const cpu::KernelSpec &spec, engine::Variant variant)
    : trapped(variant == engine::Variant::Amx && canTrapTiles()),
      scratchSize(cpu::scratchBytes(spec)) {
  auto object = cpu::emitKernels({spec}, {std::string("kernel")}, variant);
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return;
  }
  if (!trapped && !cpu::missingFor(variant, cpu::cpuFeatures()).empty()) {
    char path[] = "/tmp/tenon-foreign-XXXXXX";
    int fd = mkstemp(path);
    EXPECT_EQ(write(fd, object->data(), object->size()), ssize_t(object->size()));
    close(fd);
    foreignObject = path;
    return;
  }
  auto loaded = cpu::KernelLibrary::load(std::as_bytes(std::span(*object)), "test");
  if (!loaded) {
    ADD_FAILURE() << loaded.status().message();
    return;
  }
  library = *std::move(loaded);
  auto found = library.find("kernel");
  if (!found)
    ADD_FAILURE() << found.status().message();
  else
    function = *found;
}

TestKernel::~TestKernel() {
  if (!foreignObject.empty())
    unlink(foreignObject.c_str());
}

void TestKernel::run(const std::vector<BufferRef> &refs, const cpu::StepView &step,
                     uint32_t workers) const {
  if (!foreignObject.empty())
    return runForeign(refs, step, workers);
  ASSERT_NE(function, nullptr);
  std::vector<void *> buffers;
  for (const BufferRef &ref : refs)
    buffers.push_back(ref.data);
  Bytes scratch(scratchSize + 64);
  std::memset(scratch.data() + scratchSize, 0xa5, 64);
  std::optional<TileTrap> trap;
  if (trapped)
    trap.emplace();
  uint32_t claimed = 0;
  for (uint32_t w = 0; w < workers; ++w)
    function(buffers.data(), &step, w, workers, scratch.data(), &claimed);
  if (trap) {
    EXPECT_FALSE(trap->inUse()) << "kernel left tiles behind";
    counted = trap->counts();
  }
  for (uint64_t i = 0; i < 64; ++i)
    ASSERT_EQ(scratch.data()[scratchSize + i], 0xa5) << "kernel wrote past its scratch";
}

void TestKernel::runFixedShare(const std::vector<BufferRef> &refs, const cpu::StepView &step,
                               uint32_t worker, uint32_t workers) const {
  ASSERT_NE(function, nullptr);
  std::vector<void *> buffers;
  for (const BufferRef &ref : refs)
    buffers.push_back(ref.data);
  Bytes scratch(scratchSize);
  uint32_t claimed = 1u << 30;
  function(buffers.data(), &step, worker, workers, scratch.data(), &claimed);
}

void TestKernel::runThreads(const std::vector<BufferRef> &refs, const cpu::StepView &step,
                            uint32_t workers) const {
  ASSERT_NE(function, nullptr);
  std::vector<void *> buffers;
  for (const BufferRef &ref : refs)
    buffers.push_back(ref.data);
  std::vector<Bytes> scratch;
  std::vector<std::thread> threads;
  uint32_t claimed = 0;
  for (uint32_t w = 0; w < workers; ++w)
    scratch.emplace_back(scratchSize);
  for (uint32_t w = 0; w < workers; ++w)
    threads.emplace_back(
        [&, w] { function(buffers.data(), &step, w, workers, scratch[w].data(), &claimed); });
  for (std::thread &thread : threads)
    thread.join();
}

void TestKernel::runForeign(const std::vector<BufferRef> &buffers, const cpu::StepView &step,
                            uint32_t workers) const {
#ifdef TENON_FOREIGN_RUNNER
  const std::string in = foreignObject + ".in", out = foreignObject + ".out";
  FILE *file = fopen(in.c_str(), "wb");
  auto number = [&](uint64_t v) { fwrite(&v, 8, 1, file); };
  auto bytes = [&](const void *data, size_t size) {
    number(size);
    fwrite(data, size, 1, file);
  };
  bytes(foreignObject.data(), foreignObject.size());
  number(workers);
  number(scratchSize);
  for (uint32_t cpu::StepView::*count : kStepCounts)
    number(step.*count);
  for (const int32_t *perRow : {step.tokenIds, step.positions, step.rowSequence})
    bytes(perRow, step.numTokens * 4);
  bytes(step.blockTables, size_t(step.numSequences) * step.blockTableStride * 4);
  bytes(step.logitRows, step.numLogitRows * 4);
  bytes(step.attentionTiles, step.numAttentionTiles * sizeof(cpu::AttentionTile));
  number(buffers.size());
  for (const BufferRef &b : buffers)
    bytes(b.data, b.size);
  fclose(file);
  const std::string command = std::string(TENON_FOREIGN_RUNNER) + " < " + in + " > " + out;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  file = fopen(out.c_str(), "rb");
  for (const BufferRef &b : buffers)
    ASSERT_EQ(fread(b.data, 1, b.size, file), b.size);
  fclose(file);
  unlink(in.c_str());
  unlink(out.c_str());
#else
  FAIL() << "no emulated runner was built";
#endif
}

double relativeError(const float *a, const std::vector<float> &b) {
  double largest = 0, difference = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(double(b[i])));
    if (!(std::fabs(double(a[i]) - b[i]) <= difference))
      difference = std::fabs(double(a[i]) - b[i]);
  }
  return difference / largest;
}

float halfToFloat(uint16_t h) {
  _Float16 f;
  std::memcpy(&f, &h, 2);
  return static_cast<float>(f);
}

} // namespace tenon::test
