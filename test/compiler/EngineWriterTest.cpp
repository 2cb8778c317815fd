//===- EngineWriterTest.cpp - The container, written and read back --------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/EngineWriter.h"
#include "runtime/engine/SectionTable.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace tenon::compiler {
namespace {

using engine::SectionKind;
using engine::SectionTable;
using engine::Variant;
namespace fs = std::filesystem;

/// A folder of its own for each test.
class EngineWriterTest : public testing::Test {
protected:
  void SetUp() override {
    folder =
        fs::temp_directory_path() / (std::string("tenon-writer-") +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string path() const { return (folder / "a.tenon").string(); }

  std::unique_ptr<EngineWriter> create() {
    auto writer = EngineWriter::create(path());
    EXPECT_TRUE(bool(writer)) << llvm::toString(writer.takeError());
    return std::move(*writer);
  }

  static void ok(llvm::Error error) {
    EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  }
  static std::string message(llvm::Error error) { return llvm::toString(std::move(error)); }

  std::vector<std::byte> read() const {
    std::ifstream file(path(), std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::byte> result(bytes.size());
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

  fs::path folder;
};

std::vector<uint8_t> pattern(size_t size, uint8_t first) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<uint8_t>(first + i);
  return bytes;
}

TEST_F(EngineWriterTest, aDraftIsWholeUnderAnotherNameAndCanGrow) {
  auto writer = create();
  ok(writer->addSection(SectionKind::Plan, pattern(5000, 1)));
  auto draft = writer->draft();
  ASSERT_TRUE(bool(draft)) << llvm::toString(draft.takeError());
  EXPECT_FALSE(fs::exists(path()));
  std::vector<std::byte> early(fs::file_size(*draft));
  std::ifstream(*draft, std::ios::binary)
      .read(reinterpret_cast<char *>(early.data()), static_cast<std::streamsize>(early.size()));
  auto table = SectionTable::parse(early);
  ASSERT_TRUE(bool(table)) << table.status().message();
  EXPECT_EQ(table->sections().size(), 1u);

  ok(writer->addSection(SectionKind::ModelCard, pattern(10, 2)));
  ASSERT_TRUE(bool(writer->finish()));
  EXPECT_FALSE(fs::exists(*draft));
  const std::vector<std::byte> file = read();
  auto grown = SectionTable::parse(file);
  ASSERT_TRUE(bool(grown)) << grown.status().message();
  EXPECT_EQ(grown->sections().size(), 2u);

  // A draft in between leaves no trace in the bytes.
  auto direct = EngineWriter::create((folder / "b.tenon").string());
  ASSERT_TRUE(bool(direct));
  ok((*direct)->addSection(SectionKind::Plan, pattern(5000, 1)));
  ok((*direct)->addSection(SectionKind::ModelCard, pattern(10, 2)));
  ASSERT_TRUE(bool((*direct)->finish()));
  std::ifstream other(folder / "b.tenon", std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(other)), {});
  ASSERT_EQ(bytes.size(), file.size());
  EXPECT_EQ(std::memcmp(bytes.data(), file.data(), file.size()), 0);
}

TEST_F(EngineWriterTest, theLoadersTableReadsWhatWasWritten) {
  auto writer = create();
  const std::vector<uint8_t> plan = pattern(5000, 1), kernels = pattern(1, 9);
  ok(writer->addSection(SectionKind::Plan, plan));
  ok(writer->addSection(SectionKind::Kernels, kernels, Variant::Avx2));
  ok(writer->beginSection(SectionKind::Weights));
  ok(writer->append(pattern(10, 3)));
  ok(writer->padTo(10000));
  ok(writer->append(pattern(7, 4)));
  auto size = writer->finish();
  ASSERT_TRUE(bool(size));

  const std::vector<std::byte> file = read();
  EXPECT_EQ(file.size(), *size);
  auto table = SectionTable::parse(file);
  ASSERT_TRUE(bool(table)) << table.status().message();
  ASSERT_EQ(table->sections().size(), 3u);
  for (const auto &section : table->sections()) {
    EXPECT_EQ(section.entry.offset % engine::kPage, 0u);
    EXPECT_TRUE(SectionTable::verify(section).isOk());
  }
  const auto *weights = table->find(SectionKind::Weights);
  ASSERT_EQ(weights->bytes.size(), 10007u);
  EXPECT_EQ(weights->bytes[9], std::byte(12));
  EXPECT_EQ(weights->bytes[10], std::byte(0));
  EXPECT_EQ(weights->bytes[10000], std::byte(4));
  EXPECT_EQ(table->find(SectionKind::Plan)->bytes.size(), plan.size());
  EXPECT_TRUE(table->find(SectionKind::Kernels, Variant::Avx2));
}

TEST_F(EngineWriterTest, readsBackWhatWasWritten) {
  auto writer = create();
  ok(writer->beginSection(SectionKind::Weights, Variant::None, 1));
  ok(writer->append(pattern(5000, 3)));
  std::vector<uint8_t> part(100);
  ok(writer->readBack(SectionKind::Weights, 1, 4000, part)); // of the open section
  EXPECT_TRUE(std::equal(part.begin(), part.end(), pattern(5000, 3).begin() + 4000));
  ok(writer->addSection(SectionKind::Weights, pattern(200, 9), Variant::None, 2));
  ok(writer->readBack(SectionKind::Weights, 1, 4900, part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), pattern(5000, 3).begin() + 4900));
  ok(writer->readBack(SectionKind::Weights, 2, 100, part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), pattern(200, 9).begin() + 100));
  EXPECT_NE(
      message(writer->readBack(SectionKind::Weights, 1, 4901, part)).find("have not been written"),
      std::string::npos);
  EXPECT_NE(message(writer->readBack(SectionKind::Weights, 3, 0, part)).find("chip 3"),
            std::string::npos);
  ok(writer->addSection(SectionKind::Plan,
                        pattern(10, 1))); // reading back does not move where writing goes on
  ok(writer->readBack(SectionKind::Weights, 2, 0, part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), pattern(200, 9).begin()));
}

TEST_F(EngineWriterTest, sameSectionsGiveTheSameBytes) {
  auto write = [&] {
    auto writer = create();
    ok(writer->addSection(SectionKind::Plan, pattern(100, 1)));
    ok(writer->addSection(SectionKind::ModelCard, pattern(200, 2)));
    EXPECT_TRUE(bool(writer->finish()));
    return read();
  };
  EXPECT_EQ(write(), write());
}

TEST_F(EngineWriterTest, nothingIsThereBeforeItIsWhole) {
  {
    auto writer = create();
    ok(writer->addSection(SectionKind::Plan, pattern(100, 1)));
    EXPECT_FALSE(fs::exists(path()));
  }
  EXPECT_TRUE(fs::is_empty(folder)) << "the temporary file is left";
}

TEST_F(EngineWriterTest, anOldEngineStaysUntilTheNewOneIsWhole) {
  std::ofstream(path()) << "old";
  auto writer = create();
  ok(writer->addSection(SectionKind::Plan, pattern(100, 1)));
  EXPECT_EQ(read().size(), 3u);
  EXPECT_TRUE(bool(writer->finish()));
  EXPECT_GT(read().size(), 3u);
}

TEST_F(EngineWriterTest, oneSectionIsWrittenOnce) {
  auto writer = create();
  ok(writer->addSection(SectionKind::Plan, pattern(10, 1)));
  EXPECT_NE(message(writer->addSection(SectionKind::Plan, pattern(10, 1))).find("twice"),
            std::string::npos);
}

TEST_F(EngineWriterTest, refusesMoreSectionsThanTheFirstPageHolds) {
  auto writer = create();
  for (uint32_t chip = 0; chip < engine::kMaxSections; ++chip)
    ok(writer->addSection(SectionKind::Weights, pattern(1, 1), Variant::None, chip));
  EXPECT_NE(message(writer->addSection(SectionKind::Plan, pattern(1, 1))).find("more than 60"),
            std::string::npos);
}

TEST_F(EngineWriterTest, namesThePathAndWhatToDo) {
  auto missing = EngineWriter::create((folder / "no" / "a.tenon").string());
  ASSERT_FALSE(bool(missing));
  const std::string text = llvm::toString(missing.takeError());
  EXPECT_NE(text.find("no/a.tenon"), std::string::npos);
  EXPECT_NE(text.find("create its folder first"), std::string::npos);
}

} // namespace
} // namespace tenon::compiler
