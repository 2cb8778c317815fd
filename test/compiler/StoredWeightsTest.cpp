//===- StoredWeightsTest.cpp - --verify reads what the engine stores ------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/WeightImages.h"
#include "compiler/pack/Packer.h"
#include "compiler/pack/Reblock.h"
#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <random>

namespace tenon::compiler {
namespace {

constexpr uint32_t kRows = 20, kColumns = 160;
constexpr WeightFormat kFormat =
    WeightFormat::Q4_RM128; // 160 columns: a whole group and a short one

/// A checkpoint of one f32 matrix.
class OneMatrix : public frontend::Checkpoint {
public:
  OneMatrix() : values(kRows * kColumns) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (float &value : values)
      value = normal(random);
    tensor = {"w",
              WeightFormat::F32,
              kRows,
              kColumns,
              {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(float)}};
  }
  const frontend::ModelConfig &config() const override { return noConfig; }
  const frontend::TokenizerMetadata &tokenizer() const override { return noTokenizer; }
  llvm::ArrayRef<frontend::Tensor> tensors() const override { return tensor; }
  const frontend::Tensor *find(llvm::StringRef name) const override {
    return name == "w" ? &tensor : nullptr;
  }
  bool interleavedRotary() const override { return false; }
  llvm::StringRef path() const override { return "one"; }
  uint64_t randomSeed() const override { return 0; }

  std::vector<float> values;
  frontend::Tensor tensor;

private:
  frontend::ModelConfig noConfig;
  frontend::TokenizerMetadata noTokenizer;
};

class StoredWeightsTest : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<mlir::tenon::TenonDialect, mlir::plan::PlanDialect>();
    folder = std::filesystem::temp_directory_path() /
             (std::string("tenon-stored-") +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// Stores `panels` at byte 64 of chip 0's weights, under a plan that says they are "w" in
  /// `format`, and loads the image of the declared weight. The message if that fails.
  std::string load(llvm::ArrayRef<uint8_t> panels, WeightFormat format, uint64_t size) {
    const std::string name(formatInfo(format).name);
    const std::string encoding = format == WeightFormat::F32 ? "" : ", #tenon.blocks<" + name + ">";
    const std::string type = "tensor<20x160xf32" + encoding + ">";
    // Only the ops that are read: neither module is a whole one.
    module = parse("tenon.weight @w : " + type + "\n%w = tenon.param @w : " + type);
    plans = parse("plan.engine producer \"p\" target \"cpu\" grid [1] logits @x {\n"
                  "plan.chip 0 kind \"cpu\" arena <0> weights 65536 {\n}\n"
                  "plan.weight @w " +
                  name + " rows 20 columns 160 at 64 size " + std::to_string(size) + " packed\n}");
    if (!module || !plans)
      return "does not parse";
    auto writer = llvm::cantFail(EngineWriter::create((folder / "a.tenon").string()));
    llvm::cantFail(writer->beginSection(engine::SectionKind::Weights));
    llvm::cantFail(writer->padTo(64));
    llvm::cantFail(writer->append(panels));
    mlir::plan::EngineOp plan = *plans->getOps<mlir::plan::EngineOp>().begin();
    mlir::tenon::ParamOp param = *module->getOps<mlir::tenon::ParamOp>().begin();
    auto loaded = loadWeightImage(param.getResult(), checkpoint, StoredWeights(plan, *writer));
    if (!loaded)
      return llvm::toString(loaded.takeError());
    image = std::move(*loaded);
    return "";
  }

  std::vector<uint8_t> rounded(const frontend::Tensor &tensor) {
    std::vector<uint8_t> panels(packedBytes(kFormat, kRows, kColumns));
    llvm::cantFail(reblockMatrix(tensor, kFormat, {}, 0, kRows, 1, panels));
    return panels;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module, plans;
  OneMatrix checkpoint;
  std::filesystem::path folder;
  WeightImage image;

private:
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    return mlir::parseSourceString<mlir::ModuleOp>(
        text, mlir::ParserConfig(&context, /*verifyAfterParse=*/false));
  }
};

TEST_F(StoredWeightsTest, kernelAndReferenceReadTheStoredBytes) {
  std::vector<uint8_t> panels = rounded(checkpoint.tensor);
  // One more step of one weight, as calibration might choose: the lowest nibble of the first byte.
  panels[0] ^= 1;
  ASSERT_EQ(load(panels, kFormat, panels.size()), "");
  EXPECT_TRUE(std::equal(panels.begin(), panels.end(), image.bytes.data()));
  std::vector<float> row(kColumns);
  image.values.readRow(0, row);
  for (uint64_t k = 0; k < kColumns; ++k)
    EXPECT_EQ(row[k], unpackValue(kFormat, panels, kColumns, 0, k));
}

TEST_F(StoredWeightsTest, keptFormatsAreComparedWithTheCheckpoint) {
  std::vector<uint8_t> panels(packedBytes(WeightFormat::F32, kRows, kColumns));
  llvm::cantFail(packMatrix(checkpoint.tensor, {}, 0, kRows, panels));
  ASSERT_EQ(load(panels, WeightFormat::F32, panels.size()), "");
  std::vector<float> row(kColumns);
  image.values.readRow(3, row);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), checkpoint.values.begin() + 3 * kColumns));
}

TEST_F(StoredWeightsTest, anotherMatrixIsNoRounding) {
  std::vector<float> reversed(checkpoint.values.rbegin(), checkpoint.values.rend());
  frontend::Tensor other = checkpoint.tensor;
  other.data = {reinterpret_cast<const uint8_t *>(reversed.data()),
                reversed.size() * sizeof(float)};
  const std::vector<uint8_t> panels = rounded(other);
  const std::string message = load(panels, kFormat, panels.size());
  EXPECT_NE(message.find("tensor 'w' as stored differs from the checkpoint's by 1."),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("rounding to q4_rm128 explains at most 0.500"), std::string::npos)
      << message;
}

TEST_F(StoredWeightsTest, aWeightOfAnotherSizeIsNamed) {
  const std::vector<uint8_t> panels = rounded(checkpoint.tensor);
  const std::string message = load(panels, kFormat, 128);
  EXPECT_NE(message.find("the plan stores 128 bytes of 'w', and its kernel reads"),
            std::string::npos)
      << message;
}

} // namespace
} // namespace tenon::compiler
