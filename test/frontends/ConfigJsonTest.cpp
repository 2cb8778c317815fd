//===- ConfigJsonTest.cpp - Bare config.json files ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/huggingface/ConfigJson.h"
#include "frontends/Checkpoint.h"
#include "frontends/recipes/Recipe.h"

#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::frontend;

namespace {

const std::string configs = TENON_FRONTEND_TEST_DATA "/configs/";

OpenOptions randomOptions(WeightFormat format = WeightFormat::Q4_0) {
  OpenOptions options;
  options.randomWeightsSeed = 42;
  options.randomWeightsFormat = format;
  return options;
}

std::unique_ptr<Checkpoint> open(const std::string &path,
                                 WeightFormat format = WeightFormat::Q4_0) {
  auto checkpoint = openCheckpoint(path, randomOptions(format));
  EXPECT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  return checkpoint ? std::move(*checkpoint) : nullptr;
}

uint64_t parameters(const Checkpoint &checkpoint) {
  uint64_t count = 0;
  for (const Tensor &tensor : checkpoint.tensors())
    count += tensor.rows * tensor.columns;
  return count;
}

/// The message for SmolLM2's config after `from` is replaced by `to`.
std::string refusal(llvm::StringRef from, llvm::StringRef to,
                    const OpenOptions &options = randomOptions(),
                    const char *file = "smollm2-135m.json") {
  auto buffer = llvm::MemoryBuffer::getFile(configs + file);
  if (!buffer)
    return "no test data";
  std::string text = (*buffer)->getBuffer().str();
  const size_t at = text.find(from);
  if (at == std::string::npos)
    return "test data without " + from.str();
  text.replace(at, from.size(), to);
  auto checkpoint = openConfigJson("config.json", text, options);
  return checkpoint ? "" : llvm::toString(checkpoint.takeError());
}

void expectRefusal(const std::string &message, const std::string &wanted) {
  EXPECT_EQ(message.find("config.json: "), 0u) << message;
  EXPECT_NE(message.find(wanted), std::string::npos) << message;
}

} // namespace

TEST(ConfigJson, hasTheParameterCountsThatTheModelsAreKnownBy) {
  EXPECT_EQ(parameters(*open(configs + "smollm2-135m.json")), 134515008u);
  EXPECT_EQ(parameters(*open(configs + "llama-3.2-1b.json")), 1235814400u);
  EXPECT_EQ(parameters(*open(configs + "llama-3.1-8b.json")), 8030261248u);
  EXPECT_EQ(parameters(*open(configs + "llama-3.1-70b.json")), 70553706496u);
  EXPECT_EQ(parameters(*open(configs + "gemma-3-270m.json")), 268098176u);
}

TEST(ConfigJson, makesTensorsWithoutDataInTheGivenFormat) {
  auto checkpoint = open(configs + "llama-3.1-8b.json", WeightFormat::Q4_K);
  EXPECT_EQ(checkpoint->randomSeed(), 42u);
  EXPECT_FALSE(checkpoint->interleavedRotary());
  EXPECT_TRUE(checkpoint->tokenizer().model.empty());
  for (const Tensor &tensor : checkpoint->tensors()) {
    EXPECT_TRUE(tensor.data.empty());
    EXPECT_EQ(tensor.format, tensor.rows == 1 ? WeightFormat::F32 : WeightFormat::Q4_K);
  }
  const Tensor *down = checkpoint->find("blk.31.ffn_down.weight");
  ASSERT_TRUE(down);
  EXPECT_EQ(down->rows, 4096u);
  EXPECT_EQ(down->columns, 14336u);
  EXPECT_TRUE(checkpoint->find("output.weight"));
  EXPECT_FALSE(checkpoint->find("blk.32.ffn_down.weight"));
}

TEST(ConfigJson, readsLlama3RopeScaling) {
  const ModelConfig config = open(configs + "llama-3.2-1b.json")->config();
  EXPECT_EQ(config.ropeScaling, "llama3");
  EXPECT_EQ(config.ropeFactor, 32);
  EXPECT_EQ(config.ropeOriginalContext, 8192);
  EXPECT_TRUE(config.tiedEmbeddings);
}

TEST(ConfigJson, agreesWithTheRecipeOfGemma3) {
  const ModelConfig config = open(configs + "gemma-3-270m.json", WeightFormat::Q8_0)->config();
  EXPECT_EQ(config.windowPattern, 6u);
  EXPECT_EQ(config.slidingWindow, 512u);
  EXPECT_EQ(config.ropeBase, 1e6);
  EXPECT_EQ(config.ropeBaseLocal, 1e4);
  EXPECT_EQ(config.attentionScale, 0.0625f);
  EXPECT_FLOAT_EQ(config.embeddingScale, 25.298221f);
  EXPECT_TRUE(config.qkNorm && config.postNorms && config.tiedEmbeddings);
  EXPECT_EQ(config.activation, "gelu_tanh");
  EXPECT_FALSE(isGlobalLayer(config, 4));
  EXPECT_TRUE(isGlobalLayer(config, 5));
}

TEST(ConfigJson, readsRopeParametersOfNewerConfigs) {
  auto checkpoint = openConfigJson("config.json", R"({"architectures": ["Gemma3ForCausalLM"],
    "num_hidden_layers": 6, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 64, "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6, "sliding_window": 16, "query_pre_attn_scalar": 64,
    "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
                        "sliding_attention": {"rope_type": "default", "rope_theta": 3e4}}})",
                                   randomOptions());
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  const ModelConfig &config = (*checkpoint)->config();
  EXPECT_EQ(config.ropeBase, 2e6);
  EXPECT_EQ(config.ropeBaseLocal, 3e4);
  EXPECT_EQ(config.ropeScaling, "linear");
  EXPECT_EQ(config.ropeFactor, 8);
  EXPECT_EQ(config.attentionScale, 0.125f);
}

TEST(ConfigJson, readsAPartOfTheHeadAsRotary) {
  auto checkpoint = openConfigJson("config.json", R"({"architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2,
    "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
    "partial_rotary_factor": 0.5})",
                                   randomOptions());
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  EXPECT_EQ((*checkpoint)->config().headDim, 32u);
  EXPECT_EQ((*checkpoint)->config().rotary, 16u);
  EXPECT_FALSE((*checkpoint)->config().tiedEmbeddings);
}

TEST(ConfigJson, readsTheTextModelOfAMultimodalConfig) {
  auto checkpoint =
      openConfigJson("config.json", R"({"architectures": ["Gemma3ForConditionalGeneration"],
    "vision_config": {"hidden_size": 1152}, "text_config": {
    "num_hidden_layers": 6, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 64, "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6, "sliding_window": 16}})",
                     randomOptions());
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  EXPECT_EQ((*checkpoint)->config().hidden, 64u);
}

TEST(ConfigJson, refusesWhatItCannotComputeOrUnderstand) {
  expectRefusal(refusal("LlamaForCausalLM", "MambaForCausalLM"),
                "class 'MambaForCausalLM' has no recipe; there are recipes for LlamaForCausalLM");
  expectRefusal(refusal("\"hidden_size\": 576", "\"hidden_size\": -1"), "\"hidden_size\" is -1");
  expectRefusal(refusal("\"hidden_size\": 576", "\"hidden_size\": 1e30"),
                "\"hidden_size\" is 1e+30");
  expectRefusal(refusal("\"hidden_size\": 576", "\"hidden_size\": \"x\""), "\"hidden_size\" is");
  expectRefusal(refusal("\"vocab_size\": 49152", "\"z\": 0"), "\"vocab_size\" is missing");
  expectRefusal(refusal("\"attention_bias\": false", "\"attention_bias\": true"),
                "\"attention_bias\"");
  expectRefusal(refusal("\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu\""), "'relu'");
  expectRefusal(refusal("\"hidden_act\"", "\"num_local_experts\": 8, \"hidden_act\""),
                "mixtures of experts");
  expectRefusal(refusal("\"num_key_value_heads\": 3", "\"num_key_value_heads\": 2"),
                "9 attention heads");
  expectRefusal(refusal("\"num_attention_heads\": 9,", "\"num_attention_heads\": 15,"), "head_dim");
  expectRefusal(refusal("null", "{\"rope_type\": \"longrope\", \"factor\": 2, "
                                "\"original_max_position_embeddings\": 4096}"),
                "rope scaling 'longrope'");
  expectRefusal(
      refusal("\"sliding_attention\"", "\"full_attention\"", randomOptions(), "gemma-3-270m.json"),
      "does not repeat one pattern");
  expectRefusal(refusal("null", "{\"rope_type\": \"yarn\", \"factor\": 2, \"mscale\": 0.75, "
                                "\"original_max_position_embeddings\": 4096}"),
                "\"mscale\" of the rope scaling is 0.75");
  expectRefusal(refusal("{", std::string(100000, '[')), "nests brackets deeper than 64");
  expectRefusal(refusal("{", "["), "is not JSON");
  expectRefusal(refusal("{", "{", OpenOptions()), "give --random-weights SEED");
  expectRefusal(refusal("{", "{", randomOptions(WeightFormat::Q6_K)),
                "rows of 576 values, but format q6_k wants a multiple of 256");
}

TEST(OpenCheckpoint, saysWhatIsNotReadYet) {
  auto message = [](const std::string &path, const OpenOptions &options) {
    auto checkpoint = openCheckpoint(path, options);
    return checkpoint ? std::string() : llvm::toString(checkpoint.takeError());
  };
  EXPECT_NE(message(configs, {}).find("Hugging Face directories are not read yet; convert to GGUF"),
            std::string::npos);
  EXPECT_NE(message("model.safetensors", {}).find("convert the model to GGUF"), std::string::npos);
  EXPECT_NE(message("no-such-file.gguf", {}).find("no-such-file.gguf: cannot be opened"),
            std::string::npos);
  EXPECT_NE(
      message("model.gguf", randomOptions()).find("random weights are for a bare config.json"),
      std::string::npos);
}
