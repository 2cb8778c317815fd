//===- RotaryFrequencies.cpp - Inverse frequencies of a model -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/RotaryFrequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#pragma STDC FP_CONTRACT OFF

namespace tenon::frontend {

namespace {

/// base^(2i/rotary), the exponent and the power each rounded to f32.
float positionFrequency(double base, uint32_t i, uint32_t rotary) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary);
  return static_cast<float>(std::pow(static_cast<double>(static_cast<float>(base)), exponent));
}

/// Llama 3.1: long wavelengths are divided by the factor, short ones kept, those between blended.
float scaleLlama3(const ModelConfig &config, float inverse) {
  const float factor = static_cast<float>(config.ropeFactor);
  const float original = static_cast<float>(config.ropeOriginalContext);
  const float low = static_cast<float>(config.ropeLowFreqFactor);
  const float high = static_cast<float>(config.ropeHighFreqFactor);
  const float wavelength = 1.0f / inverse * static_cast<float>(2 * std::numbers::pi);
  if (wavelength > original / low)
    return inverse / factor;
  if (wavelength < original / high)
    return inverse;
  const float smooth = (1.0f / wavelength * original - low) / (high - low);
  return (1 - smooth) * inverse / factor + smooth * inverse;
}

/// YaRN (Peng et al., section 3.2): the dimension at which a frequency makes `rotations` turns over
/// the original context.
double correctionDim(const ModelConfig &config, double base, double rotations) {
  return config.rotary * std::log(config.ropeOriginalContext / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(base));
}

void computeYarn(const ModelConfig &config, double base, RotaryFrequencies &result) {
  const double low = std::max(std::floor(correctionDim(config, base, config.ropeBetaFast)), 0.0);
  double high = std::min(std::ceil(correctionDim(config, base, config.ropeBetaSlow)),
                         static_cast<double>(config.rotary) - 1);
  if (low == high)
    high += 0.001;
  for (uint32_t i = 0; i < config.rotary / 2; ++i) {
    const float frequency = positionFrequency(base, i, config.rotary);
    const float extrapolated = 1.0f / frequency;
    const float interpolated = 1.0f / (static_cast<float>(config.ropeFactor) * frequency);
    const float ramp = std::clamp((static_cast<float>(i) - static_cast<float>(low)) /
                                      static_cast<float>(high - low),
                                  0.0f, 1.0f);
    const float keep = 1 - ramp;
    result.inverse[i] = interpolated * (1 - keep) + extrapolated * keep;
  }
  const double magnitude = config.ropeFactor <= 1 ? 1.0 : 0.1 * std::log(config.ropeFactor) + 1.0;
  result.scale =
      static_cast<float>(config.ropeAttentionFactor != 0 ? config.ropeAttentionFactor : magnitude);
}

} // namespace

RotaryFrequencies rotaryFrequencies(const ModelConfig &config, bool local) {
  const double base = local && config.ropeBaseLocal != 0 ? config.ropeBaseLocal : config.ropeBase;
  RotaryFrequencies result;
  result.inverse.resize(config.rotary / 2);
  const bool scaled = !local || config.ropeBaseLocal == 0;
  if (scaled && config.ropeScaling == "yarn") {
    computeYarn(config, base, result);
    return result;
  }
  for (uint32_t i = 0; i < result.inverse.size(); ++i) {
    float inverse = 1.0f / positionFrequency(base, i, config.rotary);
    if (scaled && !config.ropeFactors.empty())
      inverse /= config.ropeFactors[i];
    else if (scaled && config.ropeScaling == "linear")
      inverse /= static_cast<float>(config.ropeFactor);
    else if (scaled && config.ropeScaling == "llama3")
      inverse = scaleLlama3(config, inverse);
    result.inverse[i] = inverse;
  }
  return result;
}

} // namespace tenon::frontend
