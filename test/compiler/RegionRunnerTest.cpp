//===- RegionRunnerTest.cpp - --verify tells right from wrong -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/RegionRunner.h"
#include "compiler/driver/verify/QuantRow.h"
#include "compiler/driver/verify/RegionCheck.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace tenon::compiler {
namespace {

constexpr uint32_t kColumns = 64;

/// A region that needs no weights.
constexpr const char *kQuantize = R"(
  func.func @step(%x: tensor<?x64xf32>) {
    %q = tenon.fused "quantize"(%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32, #tenon.rows<ROWS>> {
      %r = tenon.quantize_rows %a : tensor<?x64xf32> -> tensor<?x64xf32, #tenon.rows<ROWS>>
      tenon.yield %r : tensor<?x64xf32, #tenon.rows<ROWS>>
    }
    return
  })";

class NoCheckpoint : public frontend::Checkpoint {
public:
  const frontend::ModelConfig &config() const override { return noConfig; }
  const frontend::TokenizerMetadata &tokenizer() const override { return noTokenizer; }
  llvm::ArrayRef<frontend::Tensor> tensors() const override { return {}; }
  const frontend::Tensor *find(llvm::StringRef) const override { return nullptr; }
  bool interleavedRotary() const override { return false; }
  llvm::StringRef path() const override { return "none"; }
  uint64_t randomSeed() const override { return 0; }

private:
  frontend::ModelConfig noConfig;
  frontend::TokenizerMetadata noTokenizer;
};

/// Rows of a worker by the formula of KernelAbi.h.
template <typename Fn>
void shareRows(const cpu::StepView *step, uint32_t worker, uint32_t workers, Fn &&fn) {
  for (uint32_t row = step->numTokens * worker / workers;
       row < step->numTokens * (worker + 1) / workers; ++row)
    fn(row);
}

void rightKernel(void *const *buffers, const cpu::StepView *step, uint32_t worker, uint32_t workers,
                 void *, uint32_t *) {
  shareRows(step, worker, workers, [&](uint32_t row) {
    std::vector<float> x(kColumns);
    std::memcpy(x.data(), static_cast<float *>(buffers[0]) + row * kColumns, kColumns * 4);
    quantizeRow(
        x, static_cast<uint8_t *>(buffers[1]) + row * cpu::QuantRowLayout(kColumns).stride(), 15);
  });
}

void idleKernel(void *const *, const cpu::StepView *, uint32_t, uint32_t, void *, uint32_t *) {}

/// Right but for the last row of the step.
void shortKernel(void *const *buffers, const cpu::StepView *step, uint32_t worker, uint32_t workers,
                 void *scratch, uint32_t *claimed) {
  cpu::StepView shorter = *step;
  --shorter.numTokens;
  rightKernel(buffers, &shorter, worker, workers, scratch, claimed);
}

void nanKernel(void *const *buffers, const cpu::StepView *step, uint32_t worker, uint32_t workers,
               void *scratch, uint32_t *claimed) {
  rightKernel(buffers, step, worker, workers, scratch, claimed);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(static_cast<uint8_t *>(buffers[1]) + cpu::QuantRowLayout(kColumns).scaleOffset(),
              &nan, 4);
}

class RegionRunnerTest : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<mlir::tenon::TenonDialect, mlir::func::FuncDialect>();
    auto rows = mlir::tenon::quantizedRowsType(
        mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, kColumns},
                                    mlir::Float32Type::get(&context)),
        mlir::tenon::RowElement::Int15);
    // The encoding's spelling is the dialect's matter: "#tenon.rows<...>" without what is around
    // it.
    std::string encoding;
    llvm::raw_string_ostream(encoding) << rows.getEncoding();
    const std::string inner =
        encoding.substr(encoding.find('<') + 1, encoding.rfind('>') - encoding.find('<') - 1);
    std::string text = kQuantize;
    for (size_t at; (at = text.find("ROWS")) != std::string::npos;)
      text.replace(at, 4, inner);
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    module->walk([&](mlir::tenon::FusedOp op) { region = op; });
    std::string why;
    auto lowered = mlir::tenon::lowerLaunch(region, mlir::tenon::RowDomain::Token, why);
    ASSERT_TRUE(succeeded(lowered)) << why;
    launch = std::move(*lowered);
  }

  double error(cpu::KernelFn kernel, uint32_t workers = 1) {
    NoCheckpoint checkpoint;
    RegionRunner runner(region, launch, 0, checkpoint);
    SampleRandom random(1);
    auto result = runner.run(kernel, SampleStep({{0, 3}, {40, 1}}, 100, random), workers, 7);
    EXPECT_TRUE(bool(result));
    return result->relative();
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::tenon::FusedOp region;
  mlir::tenon::LaunchSpec launch;
};

TEST_F(RegionRunnerTest, aRightKernelAgrees) { EXPECT_LE(error(rightKernel), 1e-6); }

TEST_F(RegionRunnerTest, workSharedByWorkersAgrees) { EXPECT_LE(error(rightKernel, 3), 1e-6); }

TEST_F(RegionRunnerTest, aKernelThatDoesNothingDiffers) { EXPECT_GT(error(idleKernel), 0.5); }

TEST_F(RegionRunnerTest, aForgottenRowDiffers) { EXPECT_GT(error(shortKernel), 0.5); }

TEST_F(RegionRunnerTest, notANumberDiffers) { EXPECT_TRUE(std::isinf(error(nanKernel))); }

TEST(RegionCheckTest, namesTheRegionsThatDiffer) {
  RegionCheck good, bad;
  good.region = "layer_0.attn_q";
  good.tolerance = bad.tolerance = 1e-3;
  bad.region = "layer_0.ffn_down";
  bad.kernel = "k7_linear";
  bad.maxRelError = 0.25;
  bad.worst = "avx2, sample 1";
  EXPECT_EQ(describeDiffering({good}), "");
  const std::string text = describeDiffering({good, bad});
  EXPECT_NE(text.find("layer_0.ffn_down (kernel k7_linear)"), std::string::npos) << text;
  EXPECT_NE(text.find("avx2, sample 1"), std::string::npos) << text;
  EXPECT_EQ(text.find("attn_q"), std::string::npos) << text;
}

} // namespace
} // namespace tenon::compiler
