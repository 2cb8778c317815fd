//===- RotaryFrequenciesTest.cpp - Against transformers -------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// data/rotary.txt is written by make_rotary_references.py. Powers in f32 may differ from torch's by
// one unit in the last place, which the scaling formulas can double.

#include "frontends/recipes/RotaryFrequencies.h"

#include <bit>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace tenon::frontend;

TEST(RotaryFrequencies, equalTransformersForEveryScaling) {
  std::ifstream file(TENON_FRONTEND_TEST_DATA "/data/rotary.txt");
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    ModelConfig config;
    double scale = 0;
    words >> name >> config.rotary >> config.ropeBase >> config.ropeScaling >> config.ropeFactor >>
        config.ropeLowFreqFactor >> config.ropeHighFreqFactor >> config.ropeOriginalContext >>
        scale;
    const RotaryFrequencies got = rotaryFrequencies(config, false);
    ASSERT_EQ(got.inverse.size(), config.rotary / 2) << name;
    EXPECT_FLOAT_EQ(got.scale, static_cast<float>(scale)) << name;
    for (size_t i = 0; i < got.inverse.size(); ++i) {
      std::string bits;
      ASSERT_TRUE(words >> bits) << name;
      const float want = std::bit_cast<float>(static_cast<uint32_t>(std::stoul(bits, nullptr, 16)));
      EXPECT_NEAR(got.inverse[i], want, 2.5e-7f * want) << name << " frequency " << i;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 8);
}

TEST(RotaryFrequencies, divideByTheCheckpointsFactors) {
  ModelConfig config;
  config.rotary = 8;
  const std::vector<float> plain = rotaryFrequencies(config, false).inverse;
  config.ropeFactors = {1, 2, 4, 8};
  const std::vector<float> divided = rotaryFrequencies(config, false).inverse;
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(divided[i], plain[i] / config.ropeFactors[i]);
}

TEST(RotaryFrequencies, leaveWindowLayersUnscaled) {
  ModelConfig config;
  config.rotary = 16;
  config.ropeBase = 1e6;
  config.ropeBaseLocal = 1e4;
  const std::vector<float> plain = rotaryFrequencies(config, true).inverse;
  config.ropeScaling = "linear";
  config.ropeFactor = 8;
  EXPECT_EQ(rotaryFrequencies(config, true).inverse, plain);
  EXPECT_FLOAT_EQ(rotaryFrequencies(config, false).inverse[0], 1.0f / 8);
}
