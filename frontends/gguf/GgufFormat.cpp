//===- GgufFormat.cpp - Type numbers and block sizes of GGUF --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/GgufFormat.h"

#include <iterator>

namespace tenon::frontend {

llvm::StringRef ggufTypeName(GgufType type) {
  static constexpr llvm::StringLiteral names[kNumGgufTypes] = {
      "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
      "bool", "string", "array", "u64", "i64", "f64"};
  const uint32_t index = static_cast<uint32_t>(type);
  return index < kNumGgufTypes ? llvm::StringRef(names[index]) : "unknown type";
}

uint32_t ggufScalarBytes(GgufType type) {
  static constexpr uint32_t bytes[kNumGgufTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const uint32_t index = static_cast<uint32_t>(type);
  return index < kNumGgufTypes ? bytes[index] : 0;
}

std::optional<WeightFormat> weightFormatOfGgml(uint32_t type) {
  switch (type) {
  case 0:
    return WeightFormat::F32;
  case 1:
    return WeightFormat::F16;
  case 2:
    return WeightFormat::Q4_0;
  case 3:
    return WeightFormat::Q4_1;
  case 6:
    return WeightFormat::Q5_0;
  case 7:
    return WeightFormat::Q5_1;
  case 8:
    return WeightFormat::Q8_0;
  case 12:
    return WeightFormat::Q4_K;
  case 13:
    return WeightFormat::Q5_K;
  case 14:
    return WeightFormat::Q6_K;
  case 30:
    return WeightFormat::BF16;
  default:
    return std::nullopt;
  }
}

llvm::StringRef ggmlTypeName(uint32_t type) {
  static constexpr llvm::StringLiteral names[] = {
      "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
      "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
      "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
      "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
      "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
      "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};
  return type < std::size(names) ? llvm::StringRef(names[type]) : llvm::StringRef();
}

} // namespace tenon::frontend
