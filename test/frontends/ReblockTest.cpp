//===- ReblockTest.cpp - Rounding weights to fewer bits -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/Reblock.h"
#include "compiler/pack/Packer.h"
#include "compiler/pack/PanelColumns.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace tenon;
using frontend::Tensor;

namespace {

/// A matrix of f32 values.
struct Matrix {
  std::vector<float> values;
  Tensor tensor;

  Matrix(uint64_t rows, uint64_t columns) : values(rows * columns) {
    tensor.name = "matrix";
    tensor.format = WeightFormat::F32;
    tensor.rows = rows;
    tensor.columns = columns;
    tensor.data = {reinterpret_cast<const uint8_t *>(values.data()), values.size() * 4};
  }
  static Matrix normal(uint64_t rows, uint64_t columns, float deviation = 0.05f) {
    Matrix matrix(rows, columns);
    std::mt19937 random(static_cast<uint32_t>(rows * 131 + columns));
    std::normal_distribution<float> distribution(0, deviation);
    for (float &value : matrix.values)
      value = distribution(random);
    return matrix;
  }
  Matrix(const Matrix &) = delete;
  Matrix(Matrix &&) = default; // The values' address moves along.
  float at(uint64_t row, uint64_t column) const { return values[row * tensor.columns + column]; }
};

std::vector<uint8_t> reblock(const Tensor &tensor, WeightFormat format, unsigned threads = 1) {
  std::vector<uint8_t> out(packedBytes(format, tensor.rows, tensor.columns), 0xcd);
  llvm::Error error = compiler::reblockMatrix(tensor, format, {}, 0, tensor.rows, threads, out);
  EXPECT_FALSE(error) << llvm::toString(std::move(error));
  return out;
}

std::string failure(const Tensor &tensor, WeightFormat format) {
  std::vector<uint8_t> out(packedBytes(format, tensor.rows, tensor.columns));
  return llvm::toString(compiler::reblockMatrix(tensor, format, {}, 0, tensor.rows, 2, out));
}

/// Sum of squared errors of panels against the values they were made from.
double squaredError(const Matrix &matrix, WeightFormat format, llvm::ArrayRef<uint8_t> panels) {
  double sum = 0;
  for (uint64_t row = 0; row < matrix.tensor.rows; ++row)
    for (uint64_t k = 0; k < matrix.tensor.columns; ++k) {
      const double difference =
          compiler::unpackValue(format, panels, matrix.tensor.columns, row, k) - matrix.at(row, k);
      sum += difference * difference;
    }
  return sum;
}

/// What rounding to nearest would give with exact scales: the scale (and minimum) of each group
/// that just spans it. Stored scales of 8 bits can only be worse.
double nearestError(const Matrix &matrix, const FormatInfo &info) {
  double sum = 0;
  const uint64_t columns = matrix.tensor.columns;
  for (size_t at = 0, size; at < matrix.values.size(); at += size) {
    size = std::min<uint64_t>(info.group,
                              columns - at % columns); // The last group of a row may be short.
    const float *x = matrix.values.data() + at;
    double low = 0, high = 0, extreme = 0;
    for (uint32_t i = 0; i < size; ++i) {
      low = std::min<double>(low, x[i]);
      high = std::max<double>(high, x[i]);
      extreme = std::fabs(x[i]) > std::fabs(extreme) ? x[i] : extreme;
    }
    const double top = (1 << info.bits) - 1;
    const double scale = info.hasMin ? (high - low) / top : -extreme / info.offset;
    const double minimum = info.hasMin ? low : 0;
    const double first = info.hasMin ? 0 : -double(info.offset);
    for (uint32_t i = 0; i < size && scale != 0; ++i) {
      const double q = std::clamp(std::nearbyint((x[i] - minimum) / scale), first, first + top);
      const double difference = scale * q + minimum - x[i];
      sum += difference * difference;
    }
  }
  return sum;
}

class RowScaled : public testing::TestWithParam<WeightFormat> {
protected:
  WeightFormat format() const { return GetParam(); }
  FormatInfo info() const { return formatInfo(GetParam()); }
};

std::vector<WeightFormat> rowScaledFormats() {
  std::vector<WeightFormat> formats;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f)
    if (formatInfo(static_cast<WeightFormat>(f)).rowScales)
      formats.push_back(static_cast<WeightFormat>(f));
  return formats;
}

} // namespace

TEST_P(RowScaled, losesLessThanNearestRoundingWithExactScales) {
  const Matrix matrix = Matrix::normal(48, 576);
  const double error = squaredError(matrix, format(), reblock(matrix.tensor, format()));
  // At 8 bits the stored scale's own rounding is all there is to gain or lose.
  const double share = info().bits == 8     ? 1.1
                       : info().bits == 6   ? 1.0
                       : info().group == 32 ? 0.93
                                            : 0.95;
  EXPECT_LT(error, share * nearestError(matrix, info()));
}

TEST_P(RowScaled, boundsEveryErrorByTheGroupsRange) {
  const uint64_t columns = 288; // Groups of 64 and of 128 do not fill the row.
  const Matrix matrix = Matrix::normal(19, columns, 3.0f);
  const std::vector<uint8_t> panels = reblock(matrix.tensor, format());
  for (uint64_t row = 0; row < 19; ++row)
    for (uint64_t first = 0; first < columns; first += info().group) {
      const uint64_t end = std::min<uint64_t>(columns, first + info().group);
      float largest = 0;
      for (uint64_t k = first; k < end; ++k)
        largest = std::max(largest, std::fabs(matrix.at(row, k)));
      for (uint64_t k = first; k < end; ++k)
        // Two steps: clipping may give up one and a half at the end of the range.
        EXPECT_NEAR(compiler::unpackValue(format(), panels, columns, row, k), matrix.at(row, k),
                    2 * 2 * largest / ((1 << info().bits) - 1))
            << "row " << row << " column " << k;
    }
}

TEST_P(RowScaled, findsAGridOfTheFormatAgain) {
  // Rows that the format can hold exactly: integers times a power of two, all scale codes full.
  Matrix matrix(17, 64);
  std::mt19937 random(3);
  const int32_t first = info().hasMin ? 0 : -info().offset, count = 1 << info().bits;
  const int32_t fullCode = info().signedScales ? 127 : 255;
  for (uint64_t row = 0; row < 17; ++row)
    for (uint64_t k = 0; k < 64; ++k) {
      // Both ends are taken, so that the span tells the scale.
      const int32_t q = k % 32 == 0   ? first
                        : k % 32 == 1 ? first + count - 1
                                      : first + static_cast<int32_t>(random() % count);
      const int32_t minimum = info().hasMin ? count / 2 : 0;
      matrix.values[row * 64 + k] = static_cast<float>(fullCode * (q - minimum)) * 0x1p-14f;
    }
  const std::vector<uint8_t> panels = reblock(matrix.tensor, format());
  for (uint64_t row = 0; row < 17; ++row)
    for (uint64_t k = 0; k < 64; ++k)
      EXPECT_NEAR(compiler::unpackValue(format(), panels, 64, row, k), matrix.at(row, k),
                  info().hasMin ? 1e-3 * fullCode * 0x1p-14 * count : 0)
          << "row " << row << " column " << k;
}

TEST_P(RowScaled, keepsZerosAndPaddingZero) {
  Matrix matrix = Matrix::normal(21, 64);
  std::fill_n(matrix.values.begin() + 3 * 64, 64, 0.0f);  // a row of zeros
  std::fill_n(matrix.values.begin() + 5 * 64, 32, -0.0f); // a group of zeros
  const std::vector<uint8_t> panels = reblock(matrix.tensor, format());
  for (uint64_t k = 0; k < 64; ++k) {
    EXPECT_EQ(compiler::unpackValue(format(), panels, 64, 3, k), 0);
    if (k < 32)
      EXPECT_NEAR(compiler::unpackValue(format(), panels, 64, 5, k), 0,
                  info().group == 32 ? 0 : 0.02);
    for (uint64_t row = 21; row < 32; ++row)
      EXPECT_EQ(compiler::unpackValue(format(), panels, 64, row, k), 0);
  }
}

TEST_P(RowScaled, takesGroupsOfOneSign) {
  const uint64_t group = info().group, columns = 2 * group;
  Matrix matrix = Matrix::normal(16, columns, 0.01f);
  for (uint64_t i = 0; i < matrix.values.size(); ++i)
    matrix.values[i] += i % columns < group ? 1.0f : -1.0f;
  const std::vector<uint8_t> panels = reblock(matrix.tensor, format());
  for (uint64_t row = 0; row < 16; ++row)
    for (uint64_t k = 0; k < columns; ++k)
      EXPECT_NEAR(compiler::unpackValue(format(), panels, columns, row, k), matrix.at(row, k),
                  0.01 + 1.1 / ((1 << info().bits) - 1));
}

TEST_P(RowScaled, holdsTheLargestAndTheSmallestValues) {
  Matrix matrix(3, 32);
  matrix.values[0] = 8388608.0f;
  matrix.values[1] = -8388608.0f;
  matrix.values[32] = 1e-3f;
  matrix.values[33] = -1e-3f;
  matrix.values[64] = std::numeric_limits<float>::denorm_min();
  const std::vector<uint8_t> panels = reblock(matrix.tensor, format());
  const double step = 2.2 / (1 << info().bits);
  EXPECT_NEAR(compiler::unpackValue(format(), panels, 32, 0, 0), 8388608, 8388608 * step);
  EXPECT_NEAR(compiler::unpackValue(format(), panels, 32, 0, 1), -8388608, 8388608 * step);
  EXPECT_NEAR(compiler::unpackValue(format(), panels, 32, 1, 0), 1e-3, 1e-3 * step);
  EXPECT_NEAR(compiler::unpackValue(format(), panels, 32, 1, 1), -1e-3, 1e-3 * step);
  EXPECT_NEAR(compiler::unpackValue(format(), panels, 32, 2, 0), 0, 1e-5);
}

TEST_P(RowScaled, givesTheSameBytesOnAnyNumberOfThreads) {
  const Matrix matrix = Matrix::normal(100, 64);
  EXPECT_EQ(reblock(matrix.tensor, format(), 1), reblock(matrix.tensor, format(), 5));
}

TEST_P(RowScaled, roundsASliceOfPermutedRowsLikeTheWhole) {
  const Matrix matrix = Matrix::normal(48, 64);
  const std::vector<uint32_t> order = compiler::rotaryRowOrder(3, 16, 12);
  std::vector<uint8_t> slice(packedBytes(format(), 27, 64));
  llvm::cantFail(compiler::reblockMatrix(matrix.tensor, format(), order, 5, 27, 2, slice));
  const std::vector<uint8_t> whole = reblock(matrix.tensor, format());
  for (uint64_t row = 0; row < 27; ++row)
    for (uint64_t k = 0; k < 64; ++k)
      ASSERT_EQ(compiler::unpackValue(format(), slice, 64, row, k),
                compiler::unpackValue(format(), whole, 64, order[5 + row], k));
}

/// Columns of rounded panels, as chips that share a matrix have them.
void expectColumnsOfTheWhole(WeightFormat format, uint64_t columns) {
  const Matrix matrix = Matrix::normal(40, columns); // the last panel is not full
  const uint64_t granule = std::max(formatInfo(format).group, 32u);
  const std::vector<uint8_t> whole = reblock(matrix.tensor, format);
  for (auto [first, count] : {std::pair{uint64_t(0), granule},
                              {granule, 3 * granule},
                              {2 * granule, columns - 2 * granule},
                              {0, columns}}) {
    std::vector<uint8_t> part(packedBytes(format, 40, count), 0xcd);
    compiler::copyPanelColumns(format, whole, columns, first, count, part);
    for (uint64_t row = 0; row < 40; ++row)
      for (uint64_t k = 0; k < count; ++k)
        ASSERT_EQ(compiler::unpackValue(format, part, count, row, k),
                  compiler::unpackValue(format, whole, columns, row, first + k))
            << "row " << row << ", column " << k << " of " << count << " from " << first;
    if (count == columns)
      EXPECT_EQ(part, whole);
  }
}

TEST_P(RowScaled, columnsOfPanelsAreThoseOfTheWhole) {
  expectColumnsOfTheWhole(format(), 4 * info().group + 32);
}

TEST(ReblockBfloat, columnsOfPanelsAreThoseOfTheWhole) {
  expectColumnsOfTheWhole(WeightFormat::BF16, 160);
  expectColumnsOfTheWhole(WeightFormat::BF16, 163);
}

TEST_P(RowScaled, namesTheFirstValueThatIsNoNumber) {
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 1e9f}) {
    Matrix matrix = Matrix::normal(40, 64);
    matrix.values[37 * 64 + 5] = bad;
    matrix.values[18 * 64 + 63] = bad;
    const std::string message = failure(matrix.tensor, format());
    EXPECT_NE(message.find("tensor 'matrix': row 18, column 63 is"), std::string::npos) << message;
    EXPECT_NE(message.find("use --weights keep"), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Reblock, RowScaled, testing::ValuesIn(rowScaledFormats()),
                         [](const auto &info) { return std::string(formatInfo(info.param).name); });

TEST(ReblockBfloat, roundsToNearestEven) {
  Matrix matrix(1, 33);
  std::mt19937 random(5);
  for (float &value : matrix.values)
    value = std::bit_cast<float>((static_cast<uint32_t>(random()) & 0xbfffffffu) | 0x100u);
  matrix.values[0] = 0x1.01p0f; // halfway, even below
  matrix.values[1] = 0x1.03p0f; // halfway, even above
  matrix.values[2] = 0x1.0101p0f;
  const std::vector<uint8_t> panels = reblock(matrix.tensor, WeightFormat::BF16);
  auto value = [&](uint64_t k) {
    return compiler::unpackValue(WeightFormat::BF16, panels, 33, 0, k);
  };
  EXPECT_EQ(value(0), 1.0f);
  EXPECT_EQ(value(1), 0x1.04p0f);
  EXPECT_EQ(value(2), 0x1.02p0f);
  for (uint64_t k = 3; k < 33; ++k)
    EXPECT_LE(std::fabs(value(k) - matrix.values[k]), std::fabs(matrix.values[k]) * 0x1p-8f);
}

TEST(Reblock, refusesWhatItCannotMake) {
  const Matrix odd = Matrix::normal(4, 48), good = Matrix::normal(4, 64);
  EXPECT_NE(failure(odd.tensor, WeightFormat::Q4_R).find("rows of 48 values"), std::string::npos);
  EXPECT_NE(failure(good.tensor, WeightFormat::Q4_0).find("cannot be rounded to q4_0"),
            std::string::npos);
  Tensor empty = good.tensor;
  empty.data = {};
  EXPECT_NE(failure(empty, WeightFormat::Q4_R).find("random weights"), std::string::npos);
}
