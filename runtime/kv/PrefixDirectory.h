//===- PrefixDirectory.h - What a prefix tree holds -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_KV_PREFIXDIRECTORY_H
#define TENON_RUNTIME_KV_PREFIXDIRECTORY_H

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

namespace tenon::kv {

/// A number for every path of a prefix tree: FNV-1a over the tokens of its blocks, from the path
/// before the last block, `before`, on.
inline constexpr uint64_t kEmptyPath = 0xcbf29ce484222325ull;
uint64_t pathHash(uint64_t before, std::span<const int32_t> block);

/// The paths of `tokens`, in whole blocks, shortest first.
std::vector<uint64_t> pathsOf(std::span<const int32_t> tokens, uint32_t blockTokens);

/// What one PrefixTree holds, for threads that may not touch the tree: by the numbers of its paths,
/// so that an answer may be wrong where two have the same. It says where a request had better go,
/// never what it reads. Thread-safe.
class PrefixDirectory {
public:
  /// Of the tree: a path has come, or has gone.
  void add(uint64_t path);
  void remove(uint64_t path);

  /// Blocks of the longest beginning that the tree holds of a sequence whose paths these are.
  uint32_t cachedBlocks(std::span<const uint64_t> paths) const;

private:
  mutable std::mutex mutex;
  std::unordered_set<uint64_t> held; ///< Guarded by `mutex`.
};

} // namespace tenon::kv

#endif // TENON_RUNTIME_KV_PREFIXDIRECTORY_H
