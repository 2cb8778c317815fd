//===- SamplerBench.cpp - Speed of sampling -------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Microseconds of one thread for the tokens of one step, by how they are drawn. Rows are different
// logits, as a step leaves them: 64 of a vocabulary of 262,144 are 64 MiB. "maxima": those of their
// blocks are known, as kernels leave them.
//   tenon-sampler-bench --benchmark_filter='sequences:64'

#include "runtime/sample/Sampler.h"

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

using namespace tenon::sample;

namespace {

/// Shaped like a model's: most tokens near zero, some far above. `flat`: none is, as after a text
/// that means nothing.
std::vector<float> makeLogits(uint32_t vocabulary, uint32_t seed, bool flat) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2.5f);
  std::vector<float> logits(vocabulary);
  for (float &l : logits)
    l = normal(random);
  for (int i = 0; i < 20 && !flat; ++i)
    logits[random() % vocabulary] = 14 + normal(random);
  return logits;
}

void sampleStep(benchmark::State &state, const SamplingParams &params, uint32_t vocabulary,
                uint32_t sequences, bool withMaxima, bool flat) {
  static std::vector<std::vector<float>> rows, maxima;
  static bool areFlat = false;
  if (rows.size() < sequences || rows[0].size() != vocabulary || areFlat != flat) {
    areFlat = flat;
    rows.clear();
    maxima.clear();
    for (uint32_t s = 0; s < sequences; ++s) {
      rows.push_back(makeLogits(vocabulary, s, flat));
      blockMaxima(rows.back(), maxima.emplace_back(maximaBlocks(vocabulary)).data());
    }
  }
  Sampler sampler(vocabulary);
  TokenHistory history(512);
  std::vector<int32_t> prompt(512);
  for (size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<int32_t>(i * 97 % vocabulary);
  history.addPrompt(prompt);
  std::vector<TokenLogprob> alternatives;
  alternatives.reserve(params.topLogprobs);
  uint64_t index = 0;
  for (auto _ : state)
    for (uint32_t s = 0; s < sequences; ++s)
      benchmark::DoNotOptimize(sampler.sample(
          rows[s], params, history, index++, params.topLogprobs ? &alternatives : nullptr, {},
          withMaxima ? std::span<const float>(maxima[s]) : std::span<const float>()));
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::pair<std::string, SamplingParams>> ways(7);
  const auto way = [&](size_t i, const char *name, float temperature) -> SamplingParams & {
    ways[i].first = name;
    ways[i].second.temperature = temperature;
    return ways[i].second;
  };
  way(0, "greedy", 0);
  way(1, "temperature", 0.8f);
  way(2, "top-k:40", 0.8f).topK = 40;
  way(3, "top-p:0.95", 0.8f).topP = 0.95f;
  way(4, "min-p:0.05", 0.8f).minP = 0.05f;
  SamplingParams &penalties = way(5, "penalties,top-k:40,top-p:0.95", 0.8f);
  penalties.repetitionPenalty = 1.1f, penalties.topK = 40, penalties.topP = 0.95f;
  way(6, "greedy,logprobs:5", 0).topLogprobs = 5;
  const auto add = [&](const std::string &name, const SamplingParams &params, uint32_t vocabulary,
                       uint32_t sequences, bool maxima, bool flat) {
    const std::string full = "sample/" + std::to_string(vocabulary) + "/" + name +
                             (flat ? ",flat" : "") + "/sequences:" + std::to_string(sequences) +
                             (maxima ? "/maxima" : "");
    benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State &s) {
      sampleStep(s, params, vocabulary, sequences, maxima, flat);
    })->Unit(benchmark::kMicrosecond);
  };
  for (uint32_t vocabulary : {49'152u, 262'144u})
    for (uint32_t sequences : {1u, 64u}) {
      for (bool maxima : {false, true})
        for (const auto &[name, params] : ways)
          add(name, params, vocabulary, sequences, maxima, false);
      for (size_t i : {1, 3})
        add(ways[i].first, ways[i].second, vocabulary, sequences, true, true);
    }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
