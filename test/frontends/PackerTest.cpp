//===- PackerTest.cpp - Packing loses nothing -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/Packer.h"
#include "frontends/gguf/GgufFormat.h"

#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using frontend::Tensor;

namespace {

/// A matrix of random bytes whose f16 fields are finite.
struct RandomMatrix {
  std::vector<uint8_t> bytes;
  Tensor tensor;

  RandomMatrix(WeightFormat format, uint64_t rows, uint64_t columns) {
    tensor.name = "random";
    tensor.format = format;
    tensor.rows = rows;
    tensor.columns = columns;
    bytes.resize(frontend::storedRowBytes(format, columns) * rows);
    std::mt19937 random(static_cast<uint32_t>(rows * 31 + columns + static_cast<uint32_t>(format)));
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random());
    // Clear the top exponent bit of every field that is a float: no infinities, no NaNs.
    const frontend::BlockSize block = frontend::blockSize(format);
    auto bound = [&](uint32_t last) {
      for (size_t at = 0; at < bytes.size(); at += block.bytes)
        bytes[at + last] &= 0xbf;
    };
    switch (format) {
    case WeightFormat::F32:
      bound(3);
      break;
    case WeightFormat::Q6_K:
      bound(209);
      break;
    case WeightFormat::Q4_1:
    case WeightFormat::Q5_1:
    case WeightFormat::Q4_K:
    case WeightFormat::Q5_K:
      bound(3);
      bound(1);
      break;
    default:
      bound(1);
      break;
    }
    tensor.data = bytes;
  }
};

struct Shape {
  uint64_t rows, columns;
};

class EveryFormat : public testing::TestWithParam<uint32_t> {
protected:
  WeightFormat format() const { return static_cast<WeightFormat>(GetParam()); }
  std::vector<Shape> shapes() const {
    const uint64_t k = formatInfo(format()).kMultiple;
    std::vector<Shape> result = {{16, k}, {1, 3 * k}, {35, 2 * k}, {64, 5 * k}};
    if (k == 1)
      result.insert(result.end(), {{17, 7}, {5, 33}, {16, 80}});
    return result;
  }
};

/// Bits of a value; both zeros are equal, since a padded or offset zero may carry a sign.
uint32_t bitsOf(float value) { return value == 0 ? 0 : std::bit_cast<uint32_t>(value); }

void expectRows(const RandomMatrix &matrix, llvm::ArrayRef<uint32_t> order, uint64_t firstRow,
                uint64_t rowCount) {
  const Tensor &tensor = matrix.tensor;
  std::vector<uint8_t> packed(packedBytes(tensor.format, rowCount, tensor.columns), 0xcd);
  llvm::Error error = compiler::packMatrix(tensor, order, firstRow, rowCount, packed);
  ASSERT_FALSE(error) << llvm::toString(std::move(error));
  std::vector<float> want(tensor.columns);
  for (uint64_t row = 0; row < panelCount(rowCount) * kPanelChannels; ++row) {
    if (row < rowCount)
      frontend::dequantizeRow(tensor, order.empty() ? firstRow + row : order[firstRow + row], want);
    else
      std::fill(want.begin(), want.end(), 0.0f);
    for (uint64_t k = 0; k < tensor.columns; ++k)
      ASSERT_EQ(bitsOf(compiler::unpackValue(tensor.format, packed, tensor.columns, row, k)),
                bitsOf(want[k]))
          << formatInfo(tensor.format).name << " row " << row << " column " << k;
  }
}

} // namespace

TEST_P(EveryFormat, unpacksToTheValuesOfTheCheckpoint) {
  for (auto [rows, columns] : shapes())
    expectRows(RandomMatrix(format(), rows, columns), {}, 0, rows);
}

TEST_P(EveryFormat, packsASliceOfPermutedRows) {
  const uint64_t columns = formatInfo(format()).kMultiple * 2;
  expectRows(RandomMatrix(format(), 48, columns), compiler::rotaryRowOrder(3, 16, 12), 5, 27);
}

TEST_P(EveryFormat, writesEveryByteOfTheOutput) {
  const RandomMatrix matrix(format(), 19, formatInfo(format()).kMultiple * 3);
  std::vector<uint8_t> a(packedBytes(format(), 19, matrix.tensor.columns), 0), b(a.size(), 0xff);
  llvm::cantFail(compiler::packMatrix(matrix.tensor, {}, 0, 19, a));
  llvm::cantFail(compiler::packMatrix(matrix.tensor, {}, 0, 19, b));
  EXPECT_EQ(a, b);
}

static std::vector<uint32_t> checkpointFormats() {
  std::vector<uint32_t> formats;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f)
    if (frontend::blockSize(static_cast<WeightFormat>(f)).values)
      formats.push_back(f);
  return formats;
}
INSTANTIATE_TEST_SUITE_P(Packer, EveryFormat, testing::ValuesIn(checkpointFormats()),
                         [](const auto &info) {
                           return std::string(
                               formatInfo(static_cast<WeightFormat>(info.param)).name);
                         });

TEST(RotaryRowOrder, movesPairsToHalvesAndLeavesTheRest) {
  EXPECT_EQ(compiler::rotaryRowOrder(2, 6, 4),
            (std::vector<uint32_t>{0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11}));
}

TEST(Packer, refusesWhatDoesNotFitTheTensor) {
  const RandomMatrix matrix(WeightFormat::Q8_0, 16, 32);
  std::vector<uint8_t> out(packedBytes(WeightFormat::Q8_0, 16, 32));
  auto message = [&](const Tensor &tensor, llvm::ArrayRef<uint32_t> order, uint64_t first,
                     uint64_t count, uint64_t size) {
    return llvm::toString(compiler::packMatrix(tensor, order, first, count,
                                               llvm::MutableArrayRef(out).take_front(size)));
  };
  Tensor empty = matrix.tensor;
  empty.data = {};
  const std::vector<uint32_t> shortOrder(3), wildOrder(16, 16);
  EXPECT_NE(message(empty, {}, 0, 16, out.size()).find("random weights"), std::string::npos);
  EXPECT_NE(message(matrix.tensor, {}, 1, 16, out.size()).find("are wanted of 16"),
            std::string::npos);
  EXPECT_NE(message(matrix.tensor, {}, ~0ull, 2, out.size()).find("are wanted of 16"),
            std::string::npos);
  EXPECT_NE(message(matrix.tensor, shortOrder, 0, 16, out.size()).find("3 entries"),
            std::string::npos);
  EXPECT_NE(message(matrix.tensor, wildOrder, 0, 16, out.size()).find("row 16 of 16"),
            std::string::npos);
  EXPECT_NE(message(matrix.tensor, {}, 0, 16, 5).find("has 5 bytes"), std::string::npos);
}
