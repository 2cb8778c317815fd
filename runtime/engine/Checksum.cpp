//===- Checksum.cpp - XXH3 of engine bytes --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/Checksum.h"

#include "runtime/engine/SchemaText.inc"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace tenon::engine {

Checksum128 checksum128(const void *data, size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(data, size);
  return {hash.low64, hash.high64};
}

uint64_t checksum64(const void *data, size_t size) { return XXH3_64bits(data, size); }

struct StreamingChecksum::State {
  XXH3_state_t xxh;
};

StreamingChecksum::StreamingChecksum() : state(new State) { XXH3_128bits_reset(&state->xxh); }
StreamingChecksum::~StreamingChecksum() = default;

void StreamingChecksum::update(const void *data, size_t size) {
  XXH3_128bits_update(&state->xxh, data, size);
}

Checksum128 StreamingChecksum::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state->xxh);
  return {hash.low64, hash.high64};
}

uint64_t schemaHash() {
  static const uint64_t hash = XXH3_64bits(kSchemaText, sizeof(kSchemaText));
  return hash;
}

} // namespace tenon::engine
