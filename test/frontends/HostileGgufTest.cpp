//===- HostileGgufTest.cpp - Files that lie -------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// test/corpus/gguf/hostile holds files with one thing wrong each (make_gguf.py). Every one must be
// refused with a message that names the file, the place and what to do.

#include "frontends/Checkpoint.h"
#include "frontends/gguf/GgufCheckpoint.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>
#include <set>

using namespace tenon;
using frontend::GgufFile;

namespace {

const std::string corpus = TENON_TEST_CORPUS "/gguf/";

struct Hostile {
  const char *file;
  const char *place; ///< Byte, metadata key or tensor.
  const char *found; ///< What is wrong.
  const char *remedy;
};

void PrintTo(const Hostile &hostile, std::ostream *stream) { *stream << hostile.file; }

const char *const again = "download or convert it again";
const char *const convert = "convert the model again";

const Hostile hostileFiles[] = {
    // Header
    {"empty", "", "is empty", again},
    {"magic", "byte 0", "starts with 0x4c4d4747", "give a GGUF file"},
    {"version-1", "byte 4", "version 1, but versions 2 and 3", convert},
    {"version-99", "byte 4", "version 99, but versions 2 and 3", convert},
    {"big-endian", "byte 4", "big-endian", convert},
    {"metadata-count-huge", "byte 16", "claims 4611686018427387904 metadata entries", again},
    {"metadata-count-lies", "metadata entry 20", "claims a length of", again},
    {"tensor-count-huge", "byte 8", "claims 18446744073709551615 tensors", again},
    {"tensor-count-lies", "tensor 11", "has an empty name", again},
    {"truncated-magic", "byte 0", "the file ends after 3 more", again},
    {"truncated-header", "byte 16", "the file ends after 3 more", again},
    // Metadata
    {"truncated-key", "the key of metadata entry 18", "the file ends after 4 more", again},
    {"truncated-value", "'tokenizer.ggml.eos_token_id'", "the file ends after 2 more", again},
    {"truncated-array", "element 47 of metadata key 'tokenizer.ggml.tokens'", "the file ends",
     again},
    {"key-empty", "metadata entry 19", "empty key", again},
    {"key-length-huge", "the key of metadata entry 2", "length of 18446744073709551608", again},
    {"key-twice", "'llama.block_count'", "appears twice", "remove one"},
    {"value-type-unknown", "'a.b'", "value type 77", again},
    {"bool-two", "'a.b'", "bool with value 2", again},
    {"string-length-huge", "'a.b'", "length of 9223372036854775808", again},
    {"string-length-lies", "'a.b'", "needs 536870912 bytes", again},
    {"array-count-huge", "'a.b'", "claims 2305843009213693953 elements of type u64", again},
    {"array-strings-huge", "'a.b'", "claims 1152921504606846976 elements of type string", again},
    {"array-element-type", "'a.b'", "elements of type 13", again},
    {"array-nested-deep", "'a.b'", "nests arrays deeper than 4", again},
    {"alignment-three", "'general.alignment'", "is 3, but a power of two", convert},
    {"alignment-zero", "'general.alignment'", "is 0, but a power of two", convert},
    {"alignment-text", "'general.alignment'", "of type string, but an integer", convert},
    // Tensor directory and data
    {"truncated-directory", "the name of tensor 10", "the file ends after 12 more", again},
    {"truncated-data", "'output_norm.weight'", "needs 128 bytes at data offset", again},
    {"no-data", "'token_embd.weight'", "the file holds 0 bytes of tensor data", again},
    {"tensor-name-long", "the name of tensor 10", "length of 65", again},
    {"tensor-name-empty", "tensor 10", "empty name", again},
    {"tensor-twice", "'blk.0.attn_v.weight'", "appears twice", "remove one"},
    {"dims-none", "'output_norm.weight'", "0 dimensions", again},
    {"dims-five", "'output_norm.weight'", "5 dimensions", again},
    {"dim-zero", "'token_embd.weight'", "dimension 1 of 0", again},
    {"dims-overflow", "'token_embd.weight'", "dimension 1 of 4294967296", again},
    {"dims-wrap", "'token_embd.weight'", "dimension 1 of 16777216", again},
    {"dims-petabytes", "'token_embd.weight'", "needs 20266198323167232 bytes", again},
    {"type-iq4_nl", "'token_embd.weight'", "type IQ4_NL (20), which is not read",
     "quantise the model"},
    {"type-unknown", "'token_embd.weight'", "type 4096, which is not read", "quantise the model"},
    {"row-not-whole-blocks", "'token_embd.weight'", "33 values, but a multiple of 32", again},
    {"offset-unaligned", "'token_embd.weight'", "data offset 8, which is not a multiple", again},
    {"offset-beyond", "'output_norm.weight'", "at data offset 1099511627776", again},
    {"offset-wraps", "'output_norm.weight'", "at data offset 18446744073709551584", again},
    {"tensors-overlap", "'blk.0.attn_norm.weight'", "overlaps tensor 'token_embd.weight'", again},
    // The model
    {"architecture-missing", "'general.architecture'", "is missing", convert},
    {"architecture-type", "'general.architecture'", "of type u32, but string", convert},
    {"architecture-qwen2", "architecture 'qwen2'",
     "nearest is 'llama'. The model has beyond it: tensor blk.N.attn_k.bias, tensor "
     "blk.N.attn_q.bias, tensor blk.N.attn_v.bias. It lacks: nothing",
     "Write a recipe"},
    {"split", "'split.count'", "lies in 4 files", "merge them"},
    {"block-count-missing", "'llama.block_count'", "is missing", convert},
    {"block-count-zero", "'llama.block_count'", "is 0, but 1 to 1024", convert},
    {"block-count-huge", "'llama.block_count'", "is 1099511627776, but 1 to 1024", convert},
    {"block-count-lies", "'blk.1.attn_norm.weight'", "is missing, but the recipe 'llama' with 2",
     convert},
    {"block-count-negative", "'llama.block_count'", "is -1, but it cannot be negative", convert},
    {"block-count-float", "'llama.block_count'", "of type f32, but an integer", convert},
    {"hidden-lies", "'token_embd.weight'", "48 x 32 (rows x columns)", convert},
    {"heads-zero", "'llama.attention.head_count'", "is 0, but 1 to 1024", convert},
    {"kv-heads-uneven", "head_count_kv", "4 attention heads and 3 KV heads", "correct"},
    {"value-length-differs", "'llama.attention.value_length'", "is 16, but keys have 8", convert},
    {"epsilon-nan", "'llama.attention.layer_norm_rms_epsilon'", "not a finite number", convert},
    {"epsilon-large", "'llama.attention.layer_norm_rms_epsilon'", "is 7, but 1e-12 to 0.1",
     convert},
    {"rotary-odd", "rope.dimension_count", "rotates 7 elements of heads of 8", "correct"},
    {"rotary-wide", "rope.dimension_count", "rotates 10 elements of heads of 8", "correct"},
    {"rope-scaling-unknown", "rope scaling 'longrope'", "not supported", "linear, llama3 and yarn"},
    {"rope-factor-zero", "factor of rope scaling", "is 0, but 1 to 10000", "correct"},
    {"rope-factors-zero", "'rope_freqs.weight'", "holds 0", convert},
    {"experts", "'llama.expert_count'", "is 8, but mixtures of experts", "choose a dense model"},
    {"key-unknown", "'llama.attention.clamp_kqv'", "not known to the recipe 'llama'",
     "teach the recipe"},
    {"vocabulary-lies", "'token_embd.weight'", "48 rows, but a vocabulary of 49", convert},
    {"norm-f16", "'output_norm.weight'", "stored as f16", convert},
    {"tensor-extra", "'blk.0.attn_q.bias'", "not used by the recipe 'llama'", "remove it"},
    {"embedding-missing", "'token_embd.weight'", "is missing", convert},
    // Tokenizer
    {"tokens-fewer", "'tokenizer.ggml.tokens'", "has 2 tokens, but the embedding has 48 rows",
     convert},
    {"tokens-numbers", "'tokenizer.ggml.tokens'", "elements of type u32, but string", convert},
    {"scores-type", "'tokenizer.ggml.scores'", "elements of type f64, but f32", convert},
    {"types-wide", "'tokenizer.ggml.token_type'", "holds 1099511627776 as element 0", convert},
    {"bos-huge", "'tokenizer.ggml.bos_token_id'", "is 1099511627776, which is no token id",
     convert},
    {"add-bos-number", "'tokenizer.ggml.add_bos_token'", "of type u32, but bool", convert},
    {"template-number", "'tokenizer.chat_template'", "of type u32, but string", convert},
};

std::vector<std::string> filesIn(const std::string &folder) {
  std::vector<std::string> result;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(folder, code), end; it != end && !code;
       it.increment(code))
    result.push_back(it->path());
  return result;
}

std::string read(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(buffer) << path;
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

/// True if a model of these bytes can be opened; the bytes are copied to a block of their own, so
/// that a sanitizer sees a read beyond them.
bool opens(const std::string &bytes) {
  std::vector<uint8_t> block(bytes.begin(), bytes.end());
  auto gguf = GgufFile::parse("memory", block);
  if (!gguf) {
    EXPECT_TRUE(llvm::StringRef(llvm::toString(gguf.takeError())).starts_with("memory: "));
    return false;
  }
  auto checkpoint = frontend::makeGgufCheckpoint(std::move(*gguf));
  if (!checkpoint)
    EXPECT_TRUE(llvm::StringRef(llvm::toString(checkpoint.takeError())).starts_with("memory: "));
  return static_cast<bool>(checkpoint);
}

class HostileGguf : public testing::TestWithParam<Hostile> {};

} // namespace

TEST_P(HostileGguf, isRefusedWithFilePlaceAndRemedy) {
  const Hostile &hostile = GetParam();
  const std::string path = corpus + "hostile/" + hostile.file + ".gguf";
  auto checkpoint = frontend::openCheckpoint(path, {});
  ASSERT_FALSE(checkpoint);
  const std::string message = llvm::toString(checkpoint.takeError());
  EXPECT_EQ(message.find(path + ": "), 0u) << message;
  EXPECT_NE(message.find(hostile.place), std::string::npos) << message;
  EXPECT_NE(message.find(hostile.found), std::string::npos) << message;
  EXPECT_NE(message.find(hostile.remedy), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Corpus, HostileGguf, testing::ValuesIn(hostileFiles),
                         [](const auto &info) {
                           std::string name = info.param.file;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(HostileGgufCorpus, hasAnExpectationForEveryFile) {
  std::set<std::string> expected, found;
  for (const Hostile &hostile : hostileFiles)
    expected.insert(hostile.file);
  for (const std::string &path : filesIn(corpus + "hostile"))
    found.insert(llvm::sys::path::stem(path).str());
  EXPECT_EQ(found, expected);
}

TEST(ValidGguf, opensEveryRecipe) {
  const std::vector<std::string> files = filesIn(corpus + "valid");
  EXPECT_GE(files.size(), 9u);
  for (const std::string &path : files) {
    auto checkpoint = frontend::openCheckpoint(path, {});
    EXPECT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  }
}

TEST(ValidGguf, isRefusedWhenCutAnywhere) {
  const std::string whole = read(corpus + "valid/gemma3.gguf");
  ASSERT_TRUE(opens(whole));
  // Every length of the directory, and strides through the data; the last byte belongs to a tensor.
  for (size_t length = 0; length < whole.size(); length += length < 12000 ? 1 : 997)
    ASSERT_FALSE(opens(whole.substr(0, length))) << length;
  EXPECT_FALSE(opens(whole.substr(0, whole.size() - 1)));
}

TEST(ValidGguf, survivesFlippedBytes) {
  const std::string whole = read(corpus + "valid/llama-rope-factors.gguf");
  ASSERT_TRUE(opens(whole));
  const size_t directory = std::min<size_t>(whole.size(), 2600);
  size_t refused = 0;
  for (size_t at = 0; at < directory; ++at)
    for (uint8_t flip : {0x01, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      refused += !opens(changed);
    }
  EXPECT_GT(refused, directory); // most flips hit a length, a type or a name
}
