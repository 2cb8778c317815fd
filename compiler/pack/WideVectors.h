//===- WideVectors.h - Same bits from any machine's vectors -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_WIDEVECTORS_H
#define TENON_COMPILER_PACK_WIDEVECTORS_H

#include <cstring>

/// Compiles a function for several kinds of x86-64; the loader of the program picks. What such a
/// function calls must be inlined into it. Its lanes and fused multiply-adds are written out, so
/// that all give the same bits.
#if defined(__x86_64__) && defined(__linux__)
#define TENON_FUSED_VECTORS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define TENON_FUSED_VECTORS
#endif

namespace tenon::compiler {

inline constexpr unsigned kWideLanes = 8;
using WideLanes = float __attribute__((vector_size(kWideLanes * sizeof(float))));

#define TENON_ALWAYS_INLINE inline __attribute__((always_inline))

// From and to any address; by reference, because baseline x86-64 has no register for them.
TENON_ALWAYS_INLINE void loadWide(WideLanes &to, const float *from) {
  std::memcpy(&to, from, sizeof(to));
}
TENON_ALWAYS_INLINE void storeWide(float *to, const WideLanes &from) {
  std::memcpy(to, &from, sizeof(from));
}

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_WIDEVECTORS_H
