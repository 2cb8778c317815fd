//===- BlockReferenceTest.cpp - dequantizeRow against gguf ----------------===//
// SPDX-License-Identifier: Apache-2.0
//
// data/blocks.bin holds random blocks and their values by the Python package `gguf`
// (make_block_references.py).

#include "frontends/Checkpoint.h"
#include "frontends/gguf/GgufFormat.h"

#include "llvm/Support/MemoryBuffer.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace tenon;

TEST(DequantizeRow, equalsTheGgufPackageInEveryFormat) {
  auto buffer = llvm::MemoryBuffer::getFile(TENON_FRONTEND_TEST_DATA "/data/blocks.bin");
  ASSERT_TRUE(buffer);
  llvm::StringRef bytes = (*buffer)->getBuffer();
  uint32_t formats = 0;
  while (!bytes.empty()) {
    const std::string name = bytes.take_front(16).rtrim('\0').str();
    uint32_t stored, values;
    std::memcpy(&stored, bytes.data() + 16, 4);
    std::memcpy(&values, bytes.data() + 20, 4);
    const std::optional<WeightFormat> format = parseWeightFormat(name);
    ASSERT_TRUE(format) << name;
    frontend::Tensor tensor;
    tensor.format = *format;
    tensor.rows = 2; // two rows, so that a wrong row stride shows
    tensor.columns = values / 2;
    tensor.data = llvm::ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()) + 24, stored);
    std::vector<float> got(values), want(values);
    std::memcpy(want.data(), bytes.data() + 24 + stored, values * 4);
    for (uint32_t row = 0; row < 2; ++row)
      frontend::dequantizeRow(
          tensor, row, llvm::MutableArrayRef(got).slice(row * tensor.columns, tensor.columns));
    for (uint32_t i = 0; i < values; ++i)
      ASSERT_EQ(got[i], want[i]) << name << " value " << i;
    bytes = bytes.drop_front(24 + stored + values * 4);
    ++formats;
  }
  uint32_t ofCheckpoints = 0;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f)
    ofCheckpoints += frontend::blockSize(static_cast<WeightFormat>(f)).values != 0;
  EXPECT_EQ(formats, ofCheckpoints);
}
