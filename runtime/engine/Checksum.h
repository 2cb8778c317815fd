//===- Checksum.h - XXH3 of engine bytes ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The checksums of the engine container, in one place so that the writer and the loader agree on
// what "low" and "high" mean. xxHash is compiled into Checksum.cpp; nothing to link at run time.
//
#ifndef TENON_RUNTIME_ENGINE_CHECKSUM_H
#define TENON_RUNTIME_ENGINE_CHECKSUM_H

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tenon::engine {

/// XXH3-128 as stored in a SectionEntry: `low` is XXH128_hash_t::low64.
struct Checksum128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Checksum128 &) const = default;
};

Checksum128 checksum128(const void *data, size_t size);
uint64_t checksum64(const void *data, size_t size);

/// XXH3-128 of bytes that arrive in pieces; equal to checksum128 of their concatenation.
class StreamingChecksum {
public:
  StreamingChecksum();
  ~StreamingChecksum();
  StreamingChecksum(const StreamingChecksum &) = delete;
  StreamingChecksum &operator=(const StreamingChecksum &) = delete;
  void update(const void *data, size_t size);
  Checksum128 digest() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

/// XXH3-64 of the schemas (plan.fbs, then tokenizer.fbs) that this build was made from; goes into
/// FileHeader::schemaHash.
uint64_t schemaHash();

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_CHECKSUM_H
