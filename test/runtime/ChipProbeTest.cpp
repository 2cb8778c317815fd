//===- ChipProbeTest.cpp - What tenon bench chip measures with ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/ChipProbe.h"
#include "runtime/device/cpu/ChipProbeLoops.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::cpu;

namespace {

std::unique_ptr<WorkerGroup> startGroup(uint32_t workers) {
  WorkerGroup::Options options;
  options.workers = workers;
  auto group = WorkerGroup::start(std::move(options));
  EXPECT_TRUE(bool(group));
  return std::move(*group);
}

TEST(ChipProbeTest, everyByteIsRead) {
  constexpr size_t bytes = 4096;
  for (ReadLoop loop : readLoops()) {
    alignas(64) std::byte data[bytes + 4096] = {};
    const uint64_t before = loop(data, bytes);
    for (size_t i = 0; i < bytes; ++i) {
      data[i] = std::byte{1};
      EXPECT_NE(loop(data, bytes), before) << "byte " << i;
      data[i] = std::byte{0};
    }
    data[bytes] = std::byte{1};
    EXPECT_EQ(loop(data, bytes), before) << "read past the end";
  }
}

TEST(ChipProbeTest, bandwidthHasAMedianNotAboveTheBest) {
  auto group = startGroup(2);
  auto probe = ReadProbe::create(*group, 8 << 20);
  ASSERT_TRUE(bool(probe)) << probe.status().message();
  for (uint32_t readers : {1u, 2u}) {
    const ProbeRate rate = probe->measure(readers, 256 << 10, 0.02);
    EXPECT_GT(rate.median, 1e8);
    EXPECT_LE(rate.median, rate.best);
    EXPECT_LE(rate.disturbed, rate.passes);
    EXPECT_GE(rate.passes, 2u);
  }
  EXPECT_LE(probe->hugeBytes(), uint64_t(16) << 20);
}

TEST(ChipProbeTest, unitsThatAreMissingGiveZeroAndOthersDoNot) {
  auto group = startGroup(1);
  const CpuFeatures &features = cpuFeatures();
  const auto rate = [&](MacUnit unit) { return probeMacs(*group, unit, 1, 0.01); };
  EXPECT_EQ(rate(MacUnit::Bf16).best > 0, features.avx512Bf16);
  EXPECT_EQ(rate(MacUnit::AmxBf16).best > 0, features.amx && enableAmx());
  EXPECT_EQ(rate(MacUnit::AmxInt8).best > 0, features.amx && enableAmx());
  if (features.avx2 || features.neon) {
    EXPECT_GT(rate(MacUnit::F32).median, 1e8);
    EXPECT_GT(rate(MacUnit::Int8).median, 1e8);
  }
  // Four 8-bit products where one in f32 fits: a compiler that drops a loop shows here.
  if (features.avx512) {
    EXPECT_GT(rate(MacUnit::Int8).best, 1.5 * rate(MacUnit::F32).best);
    EXPECT_LT(rate(MacUnit::F32).best, 1e12) << "no core multiplies that fast";
  }
}

TEST(ChipProbeTest, unitsHaveNames) {
  for (MacUnit unit : kMacUnits)
    EXPECT_NE(macUnitName(unit), "unknown");
}

} // namespace
