//===- GgufFormat.h - Type numbers and block sizes of GGUF ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The numbers of the GGUF specification (ggml/docs/gguf.md): value types of metadata, tensor types,
// and how many bytes a block of values takes.
//
#ifndef TENON_FRONTENDS_GGUF_GGUFFORMAT_H
#define TENON_FRONTENDS_GGUF_GGUFFORMAT_H

#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace tenon::frontend {

inline constexpr uint32_t kGgufMagic = 0x46554747; // "GGUF"

/// Types of metadata values.
enum class GgufType : uint32_t {
  UInt8 = 0,
  Int8 = 1,
  UInt16 = 2,
  Int16 = 3,
  UInt32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  UInt64 = 10,
  Int64 = 11,
  Float64 = 12,
};
inline constexpr uint32_t kNumGgufTypes = 13;

/// Name of a value type, "unknown type" beyond the last.
llvm::StringRef ggufTypeName(GgufType type);

/// Bytes of a scalar of this type; 0 for strings and arrays.
uint32_t ggufScalarBytes(GgufType type);

/// How a row of a tensor is cut into blocks.
struct BlockSize {
  uint32_t values; ///< Values per block; 1 for floats.
  uint32_t bytes;  ///< Bytes per block.
};

/// Blocks of `format` as a checkpoint stores them; none for formats that only engines have.
constexpr BlockSize blockSize(WeightFormat format) {
  switch (format) {
  case WeightFormat::F32:
    return {1, 4};
  case WeightFormat::F16:
    return {1, 2};
  case WeightFormat::BF16:
    return {1, 2};
  case WeightFormat::Q8_0:
    return {32, 34}; // f16 d, 32 i8
  case WeightFormat::Q4_0:
    return {32, 18}; // f16 d, 16 bytes
  case WeightFormat::Q4_1:
    return {32, 20}; // f16 d, f16 m, 16 bytes
  case WeightFormat::Q5_0:
    return {32, 22}; // f16 d, 4 bytes of high bits, 16 bytes
  case WeightFormat::Q5_1:
    return {32, 24}; // f16 d, f16 m, 4 bytes of high bits, 16 bytes
  case WeightFormat::Q4_K:
    return {256, 144}; // f16 d, f16 dmin, 12 bytes of scales, 128 bytes
  case WeightFormat::Q5_K:
    return {256, 176}; // f16 d, f16 dmin, 12 of scales, 32 of high bits, 128
  case WeightFormat::Q6_K:
    return {256, 210}; // 128 low nibbles, 64 high pairs, 16 i8 scales, f16 d
  default:             // The R formats.
    break;
  }
  return {0, 0};
}

/// Bytes of one row of `columns` values, a multiple of the block; 0 where `blockSize` has none.
constexpr uint64_t storedRowBytes(WeightFormat format, uint64_t columns) {
  const BlockSize block = blockSize(format);
  return block.values ? columns / block.values * block.bytes : 0;
}

/// Tensor type number of the file to our format; none if we do not read it.
std::optional<WeightFormat> weightFormatOfGgml(uint32_t type);

/// Name of a tensor type number, of those we do not read too ("IQ4_NL"); empty if nobody knows it.
llvm::StringRef ggmlTypeName(uint32_t type);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_GGUFFORMAT_H
