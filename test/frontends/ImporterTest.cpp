//===- ImporterTest.cpp - Checkpoints as tenon modules --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/Importer.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::frontend;
namespace td = mlir::tenon;

namespace {

class Importer : public testing::Test {
protected:
  Importer() : context(mlir::MLIRContext::Threading::DISABLED) {}

  void import(const std::string &path, uint64_t maxContext = 0) {
    OpenOptions open;
    open.randomWeightsSeed = llvm::StringRef(path).ends_with(".json") ? 7 : 0;
    auto opened = openCheckpoint(path, open);
    ASSERT_TRUE(static_cast<bool>(opened)) << llvm::toString(opened.takeError());
    checkpoint = std::move(*opened);
    ImportOptions options;
    options.maxContext = maxContext;
    auto imported = importCheckpoint(context, *checkpoint, options);
    if (!imported) {
      message = llvm::toString(imported.takeError());
      return;
    }
    module = std::move(*imported);
  }

  template <typename Op> std::vector<Op> all(mlir::Operation *in = nullptr) {
    std::vector<Op> result;
    (in ? in : module->getOperation())->walk([&](Op op) { result.push_back(op); });
    return result;
  }
  std::vector<std::string> callees() {
    std::vector<std::string> result;
    for (mlir::func::CallOp call : all<mlir::func::CallOp>())
      result.push_back(call.getCallee().str());
    return result;
  }
  mlir::func::FuncOp function(llvm::StringRef name) {
    return module->lookupSymbol<mlir::func::FuncOp>(name);
  }

  mlir::MLIRContext context;
  std::unique_ptr<Checkpoint> checkpoint;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string message;
};

const std::string valid = TENON_TEST_CORPUS "/gguf/valid/";
const std::string configs = TENON_FRONTEND_TEST_DATA "/configs/";

} // namespace

TEST_F(Importer, sharesOneFunctionAmongEqualLayers) {
  import(valid + "llama-q4_0.gguf");
  EXPECT_EQ(callees(), (std::vector<std::string>{"layer_0", "layer_0"}));
  EXPECT_EQ(all<mlir::func::FuncOp>().size(), 2u);
  EXPECT_TRUE(function("layer_0").isPrivate());
  EXPECT_EQ(all<td::LinearOp>(function("layer_0")).size(), 7u);
  EXPECT_EQ(all<td::RmsNormOp>(function("layer_0")).size(), 2u);
}

TEST_F(Importer, separatesWindowLayersFromGlobalOnes) {
  import(valid + "gemma3.gguf");
  EXPECT_EQ(callees(), (std::vector<std::string>{"layer_0", "layer_0", "layer_0", "layer_0",
                                                 "layer_0", "layer_5", "layer_0"}));
  EXPECT_EQ(all<td::AttentionOp>(function("layer_0"))[0].getWindow(), 16u);
  EXPECT_EQ(all<td::AttentionOp>(function("layer_5"))[0].getWindow(), 0u);
  // Four norms around attention and feed-forward, two on query and key heads.
  EXPECT_EQ(all<td::RmsNormOp>(function("layer_0")).size(), 6u);
  EXPECT_EQ(all<td::GateOp>(function("layer_0"))[0].getActivation(), td::Activation::GeluTanh);

  std::vector<td::RopeTableOp> tables = all<td::RopeTableOp>();
  ASSERT_EQ(tables.size(), 2u);
  for (mlir::func::CallOp call : all<mlir::func::CallOp>())
    EXPECT_EQ(call.getOperand(2), tables[call.getCallee() == "layer_5" ? 0 : 1].getResult());
  EXPECT_NEAR(all<td::EmbedOp>()[0].getScale().convertToFloat(), 5.656854f, 1e-6f);
}

TEST_F(Importer, separatesLayersOfOtherFormats) {
  import(valid + "llama-mixed-layers.gguf");
  EXPECT_EQ(callees(), (std::vector<std::string>{"layer_0", "layer_1", "layer_0"}));
}

TEST_F(Importer, statesTheFormatOfEveryMatrixInItsType) {
  import(valid + "llama-all-formats.gguf");
  auto type = mlir::cast<mlir::RankedTensorType>(function("layer_0").getArgumentTypes()[4]);
  EXPECT_EQ(td::weightFormat(type), WeightFormat::Q5_K); // attn_q
  type = mlir::cast<mlir::RankedTensorType>(function("layer_0").getArgumentTypes().back());
  EXPECT_EQ(td::weightFormat(type), WeightFormat::Q6_K); // ffn_down
}

TEST_F(Importer, declaresWeightsInOrderOfUse) {
  import(valid + "llama-bf16-untied.gguf");
  std::vector<std::string> names;
  for (td::WeightOp weight : all<td::WeightOp>())
    names.push_back(weight.getSymName().str());
  EXPECT_EQ(names, (std::vector<std::string>{"token_embd.weight",        "rope.inv_freq",
                                             "blk.0.attn_norm.weight",   "blk.0.attn_q.weight",
                                             "blk.0.attn_k.weight",      "blk.0.attn_v.weight",
                                             "blk.0.attn_output.weight", "blk.0.ffn_norm.weight",
                                             "blk.0.ffn_gate.weight",    "blk.0.ffn_up.weight",
                                             "blk.0.ffn_down.weight",    "blk.1.attn_norm.weight",
                                             "blk.1.attn_q.weight",      "blk.1.attn_k.weight",
                                             "blk.1.attn_v.weight",      "blk.1.attn_output.weight",
                                             "blk.1.ffn_norm.weight",    "blk.1.ffn_gate.weight",
                                             "blk.1.ffn_up.weight",      "blk.1.ffn_down.weight",
                                             "output_norm.weight",       "output.weight"}));
}

TEST_F(Importer, usesTheEmbeddingAsHeadWhenTied) {
  import(valid + "llama-q4_0.gguf");
  EXPECT_EQ(all<td::LogitsOp>()[0].getWeight(), all<td::EmbedOp>()[0].getTable());
  import(valid + "llama-bf16-untied.gguf");
  EXPECT_NE(all<td::LogitsOp>()[0].getWeight(), all<td::EmbedOp>()[0].getTable());
}

TEST_F(Importer, putsOneChipInTheGrid) {
  import(valid + "qwen3.gguf");
  std::vector<mlir::shard::GridOp> grids = all<mlir::shard::GridOp>();
  ASSERT_EQ(grids.size(), 1u);
  EXPECT_EQ(grids[0].getShape(), llvm::ArrayRef<int64_t>{1});
}

TEST_F(Importer, importsSeventyBillionParametersWithoutData) {
  import(configs + "llama-3.1-70b.json", 4096);
  EXPECT_EQ(callees().size(), 80u);
  EXPECT_EQ(all<mlir::func::FuncOp>().size(), 2u);
  EXPECT_EQ(all<td::WeightOp>().size(), 80u * 9 + 4);
  auto maxContext =
      (*module)->getAttrOfType<mlir::IntegerAttr>(td::TenonDialect::kMaxContextAttrName);
  EXPECT_EQ(maxContext.getInt(), 4096);
}

TEST_F(Importer, refusesAContextBeyondTheModels) {
  import(configs + "smollm2-135m.json", 8193);
  EXPECT_NE(
      message.find("a context of 8193 is wanted, but the model was made for 8192; give a smaller "
                   "--max-context"),
      std::string::npos)
      << message;
}

TEST_F(Importer, permutesRowsOfInterleavedQueriesAndKeysOnly) {
  import(valid + "llama-q4_0.gguf");
  uint32_t heads = 0;
  EXPECT_TRUE(needsRotaryRowOrder(*checkpoint, "blk.1.attn_q.weight", heads));
  EXPECT_EQ(heads, 4u);
  EXPECT_TRUE(needsRotaryRowOrder(*checkpoint, "blk.0.attn_k.weight", heads));
  EXPECT_EQ(heads, 2u);
  EXPECT_FALSE(needsRotaryRowOrder(*checkpoint, "blk.0.attn_v.weight", heads));
  import(valid + "gemma3.gguf");
  EXPECT_FALSE(needsRotaryRowOrder(*checkpoint, "blk.0.attn_q.weight", heads));
}
