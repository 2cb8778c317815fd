//===- EngineCorpus.cpp - Writes test/corpus/engine -----------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The seeds of tenon_engine_fuzz: sound engines and plans of several kinds. Run it with the folder
// as its argument after a change of the format.
//
#include "test/runtime/TinyEngine.h"

#include <cstdio>

using namespace tenon;
using namespace tenon::test;

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  TinyEngine e = TinyEngine::make("");
  writeFile(folder + "stored.tenon", e.write());
  writeFile(folder + "stored.plan", encodePlan(e.plan));
  e.more.push_back(
      {engine::SectionKind::ModelCard, engine::Variant::None, Bytes(40, std::byte{'{'})});
  e.kernels.push_back({engine::Variant::Amx, Bytes(10)});
  writeFile(folder + "sections.tenon", e.write());

  // Every format, made at load.
  TinyEngine made = TinyEngine::make("");
  uint64_t offset = 0;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f) {
    const auto format = static_cast<WeightFormat>(f);
    const uint64_t size = packedBytes(format, 20, 256);
    made.plan.weights.push_back({"m", format, 20, 256, offset, size, true, f + 1});
    offset += size;
  }
  made.plan.weights.push_back({"n", WeightFormat::F32, 1, 16, offset, 64, false, 7});
  writeFile(folder + "made.plan", encodePlan(made.plan));
  return 0;
}
