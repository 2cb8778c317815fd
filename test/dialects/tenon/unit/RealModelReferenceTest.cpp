//===- RealModelReferenceTest.cpp - Whole models by reference evaluation --===//
// SPDX-License-Identifier: Apache-2.0
//
// Runs the imported models op by op and compares with transformers in fp32 on the same dequantised
// weights (real_model_cases.json). Needs the GGUF files in the folder that TENON_MODELS names
// (default build/models); SKIPPED without.
//

#include "TestModule.h"

#include "compiler/pack/Packer.h"
#include "frontends/Importer.h"
#include "passes/fuse/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::tenon;
namespace frontend = ::tenon::frontend;

namespace {

/// What transformers says about the first tokens of a text.
struct RealModelCase {
  std::string model;
  std::vector<int32_t> ids; ///< [tokens + 1]
  std::vector<double> nll;  ///< [tokens] of ids[i + 1] after position i
  std::vector<int32_t> top; ///< [tokens] most likely next token
};

RealModelCase readCase(size_t index) {
  RealModelCase result;
  auto file = llvm::MemoryBuffer::getFile(TENON_REAL_MODEL_CASES);
  auto parsed = llvm::json::parse(file ? (*file)->getBuffer() : "");
  if (!parsed)
    return result;
  const llvm::json::Object &object = *(*parsed->getAsArray())[index].getAsObject();
  result.model = object.getString("model")->str();
  for (const llvm::json::Value &value : *object.getArray("ids"))
    result.ids.push_back(*value.getAsInteger());
  for (const llvm::json::Value &value : *object.getArray("nll"))
    result.nll.push_back(*value.getAsNumber());
  for (const llvm::json::Value &value : *object.getArray("top"))
    result.top.push_back(*value.getAsInteger());
  return result;
}

/// Rows of the checkpoint's tensors, in the order in which they are packed.
FailureOr<RowReader> readerOf(const frontend::Checkpoint &checkpoint, StringRef symbol) {
  const frontend::Tensor *tensor = checkpoint.find(symbol);
  if (!tensor)
    return failure();
  std::vector<uint32_t> order;
  uint32_t heads = 0;
  if (frontend::needsRotaryRowOrder(checkpoint, symbol, heads))
    order = ::tenon::compiler::rotaryRowOrder(heads, checkpoint.config().headDim,
                                              checkpoint.config().rotary);
  return RowReader([tensor, order](int64_t row, MutableArrayRef<float> out) {
    frontend::dequantizeRow(*tensor, order.empty() ? row : order[row], out);
  });
}

/// Evaluates the text as two steps, so that the second reads what the first wrote.
std::vector<float> logitsOf(ModuleOp module, const frontend::Checkpoint &checkpoint,
                            const RealModelCase &test, KvPrecision precision) {
  ReferenceInterpreter interpreter(
      module, [&](StringRef symbol, RankedTensorType) { return readerOf(checkpoint, symbol); });
  const frontend::ModelConfig &config = checkpoint.config();
  HostKvCache cache(config.layers, config.kvHeads, config.headDim, precision);
  std::vector<float> logits;
  const int32_t tokens = test.nll.size(), firstStep = tokens - 3;
  for (auto [begin, end] : {std::pair(0, firstStep), std::pair(firstStep, tokens)}) {
    ReferenceStep step;
    for (int32_t position = begin; position < end; ++position) {
      step.ids.push_back(test.ids[position]);
      step.positions.push_back(position);
      step.sequences.push_back(0);
      step.logitRows.push_back(position - begin);
    }
    auto result = interpreter.runStep(step, cache);
    if (failed(result))
      return {};
    llvm::append_range(logits, result->floats());
  }
  return logits;
}

void expectClose(ArrayRef<float> logits, const RealModelCase &test, double tolerance) {
  const size_t vocabulary = logits.size() / test.nll.size();
  ASSERT_GT(vocabulary, 0u);
  for (auto [row, wanted] : llvm::enumerate(test.nll)) {
    ArrayRef<float> scores = logits.slice(row * vocabulary, vocabulary);
    const auto *best = llvm::max_element(scores);
    EXPECT_EQ(best - scores.begin(), test.top[row]) << "position " << row;
    double total = 0;
    for (float score : scores)
      total += std::exp(static_cast<double>(score) - *best);
    EXPECT_NEAR(std::log(total) + *best - scores[test.ids[row + 1]], wanted, tolerance)
        << "position " << row;
  }
}

class RealModel : public testing::TestWithParam<size_t> {};

TEST_P(RealModel, agreesWithTransformersBeforeAndAfterFusing) {
  const RealModelCase test = readCase(GetParam());
  const char *folder = std::getenv("TENON_MODELS");
  const std::string path = std::string(folder ? folder : "build/models") + "/" + test.model;
  if (!llvm::sys::fs::exists(path))
    GTEST_SKIP() << path << " is not there";
  auto checkpoint = frontend::openCheckpoint(path, {});
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  MLIRContext context;
  auto module = frontend::importCheckpoint(context, **checkpoint, {});
  ASSERT_TRUE(static_cast<bool>(module)) << llvm::toString(module.takeError());

  // Dense rows and an f32 cache are what transformers computes.
  expectClose(logitsOf(**module, **checkpoint, test, KvPrecision::F32), test, 1e-3);

  PassManager stage(&context);
  buildFusePipeline(stage);
  ASSERT_TRUE(succeeded(stage.run(**module)));
  // Quantised rows and an f16 cache, as engines have them.
  expectClose(logitsOf(**module, **checkpoint, test, KvPrecision::F16), test, 1.5e-2);
}

INSTANTIATE_TEST_SUITE_P(Gguf, RealModel, testing::Values(0, 1));

} // namespace
