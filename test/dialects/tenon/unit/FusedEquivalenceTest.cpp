//===- FusedEquivalenceTest.cpp - Fusing changes no value -----------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Runs the model of test/passes/fuse/fuse-pipeline.mlir before and after the stage: bit for bit the
// same logits, over two sequences, a prompt and a following step.
//

#include "TestModule.h"

#include "passes/fuse/Explain.h"
#include "passes/fuse/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::tenon;

namespace {

std::string pipelineModel() {
  auto file = llvm::MemoryBuffer::getFile(TENON_FUSE_TESTS "/fuse-pipeline.mlir");
  return file ? (*file)->getBuffer().str() : std::string();
}

/// Logits of a prompt of two sequences and of one more token of each.
std::vector<float> logitsOf(ModuleOp module) {
  ReferenceInterpreter interpreter(module, [](StringRef symbol, RankedTensorType) {
    return FailureOr<RowReader>(test::syntheticWeight(symbol));
  });
  HostKvCache cache(2, 1, 32);
  std::vector<float> logits;
  for (const ReferenceStep &step :
       {ReferenceStep{{1, 5, 9, 300, 7}, {0, 1, 2, 0, 1}, {0, 0, 0, 1, 1}, {2, 4}},
        ReferenceStep{{11, 12}, {3, 2}, {0, 1}, {0, 1}}}) {
    auto result = interpreter.runStep(step, cache);
    if (failed(result))
      return {};
    llvm::append_range(logits, result->floats());
  }
  return logits;
}

TEST(FuseStage, keepsEveryBitOfTheLogits) {
  test::TestModule plain(pipelineModel()), fused(pipelineModel());
  ASSERT_TRUE(plain.module && fused.module);
  PassManager quantize(&plain.context);
  quantize.addNestedPass<func::FuncOp>(createQuantizeActivationsPass());
  ASSERT_TRUE(succeeded(quantize.run(*plain.module)));
  PassManager stage(&fused.context);
  buildFusePipeline(stage);
  ASSERT_TRUE(succeeded(stage.run(*fused.module)));

  const std::vector<float> wanted = logitsOf(*plain.module), found = logitsOf(*fused.module);
  ASSERT_EQ(wanted.size(), 4u * 512);
  // Attention's scale moves from the scores to the query; here it is a power of two.
  EXPECT_EQ(found, wanted);
  EXPECT_TRUE(llvm::all_of(found, [](float value) { return std::isfinite(value); }));
}

TEST(FuseStage, quantisedRowsStayCloseToDenseOnes) {
  test::TestModule dense(pipelineModel()), fused(pipelineModel());
  ASSERT_TRUE(dense.module && fused.module);
  PassManager stage(&fused.context);
  buildFusePipeline(stage);
  ASSERT_TRUE(succeeded(stage.run(*fused.module)));
  const std::vector<float> wanted = logitsOf(*dense.module), found = logitsOf(*fused.module);
  ASSERT_EQ(found.size(), wanted.size());
  double error = 0, power = 0;
  for (auto [a, b] : llvm::zip_equal(found, wanted)) {
    error += (a - b) * (a - b);
    power += b * b;
  }
  EXPECT_LT(std::sqrt(error / power), 1e-3);
  EXPECT_GT(error, 0); // else nothing was quantised
}

TEST(FusionReport, collectsWhatWasFusedAndKept) {
  FusionReport report; // outlives the context
  test::TestModule module(pipelineModel());
  ASSERT_TRUE(succeeded(report.attach(module.context)));
  PassManager stage(&module.context);
  buildFusePipeline(stage);
  ASSERT_TRUE(succeeded(stage.run(*module.module)));
  auto has = [&](FusionDecision::Verdict verdict, StringRef function, StringRef text) {
    return llvm::any_of(report.decisions(), [&](const FusionDecision &entry) {
      return entry.verdict == verdict && entry.function == function &&
             StringRef(entry.text).contains(text);
    });
  };
  EXPECT_TRUE(has(FusionDecision::Verdict::Fused, "layer_0", "linear_qkv: 3 linear"));
  EXPECT_TRUE(has(FusionDecision::Verdict::Kept, "step", "embed"));
  EXPECT_TRUE(has(FusionDecision::Verdict::Fused, "layer_last", "for 3 products"));
  EXPECT_TRUE(has(FusionDecision::Verdict::Fused, "layer_last", "linear_qkv: 3 linear"));
  EXPECT_EQ(report.decisions().size(), 19u);
  EXPECT_TRUE(failed(report.attach(module.context))) << "a context has one remark engine";
}

} // namespace
