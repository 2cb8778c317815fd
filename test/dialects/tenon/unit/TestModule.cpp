//===- TestModule.cpp - Modules of the dialect's unit tests ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "TestModule.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/Hashing.h"

using namespace mlir;
using namespace mlir::tenon;

test::TestModule::TestModule(StringRef text) {
  context.disableMultithreading();
  context.loadDialect<TenonDialect, func::FuncDialect, shard::ShardDialect>();
  module = parseSourceString<ModuleOp>(text, &context);
}

/// splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", figure 17).
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

RowReader test::syntheticWeight(StringRef symbol) {
  uint64_t seed = 0;
  for (char c : symbol)
    seed = mix(seed * 31 + static_cast<unsigned char>(c));
  return [seed](int64_t row, MutableArrayRef<float> out) {
    for (auto [column, value] : llvm::enumerate(out))
      value = static_cast<float>(
          static_cast<double>(mix(seed + 0x9e3779b97f4a7c15ull * (row * 65536 + column + 1)) >>
                              40) /
              (1 << 23) -
          1.0);
  };
}
