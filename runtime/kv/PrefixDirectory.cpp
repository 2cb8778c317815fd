//===- PrefixDirectory.cpp - What a prefix tree holds ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/PrefixDirectory.h"

namespace tenon::kv {

uint64_t pathHash(uint64_t before, std::span<const int32_t> block) {
  uint64_t hash = before;
  for (int32_t token : block)
    hash = (hash ^ uint32_t(token)) * 0x100000001b3ull;
  return hash;
}

std::vector<uint64_t> pathsOf(std::span<const int32_t> tokens, uint32_t blockTokens) {
  std::vector<uint64_t> paths;
  paths.reserve(tokens.size() / blockTokens);
  for (uint64_t path = kEmptyPath; tokens.size() >= blockTokens;
       tokens = tokens.subspan(blockTokens))
    paths.push_back(path = pathHash(path, tokens.first(blockTokens)));
  return paths;
}

void PrefixDirectory::add(uint64_t path) {
  const std::lock_guard lock(mutex);
  held.insert(path);
}

void PrefixDirectory::remove(uint64_t path) {
  const std::lock_guard lock(mutex);
  held.erase(path);
}

uint32_t PrefixDirectory::cachedBlocks(std::span<const uint64_t> paths) const {
  const std::lock_guard lock(mutex);
  uint32_t blocks = 0;
  while (blocks < paths.size() && held.contains(paths[blocks]))
    ++blocks;
  return blocks;
}

} // namespace tenon::kv
