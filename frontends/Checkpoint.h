//===- Checkpoint.h - A model as it is on disk ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What every frontend (GGUF, bare config.json, later Hugging Face directories) hands to the
// importer: the architecture's hyperparameters under one set of names, and tensors that are read
// one at a time.
//
#ifndef TENON_FRONTENDS_CHECKPOINT_H
#define TENON_FRONTENDS_CHECKPOINT_H

#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tenon::frontend {

/// One tensor as stored. `format` is the block format of the bytes; rows x columns, columns
/// contiguous (a vector has rows == 1). `data` points into the mapped file; empty when the weights
/// are random.
struct Tensor {
  std::string name;
  WeightFormat format;
  uint64_t rows = 1, columns = 0;
  llvm::ArrayRef<uint8_t> data;
};

/// What the tokenizer section is made of; see runtime/text/TokenizerSource.h.
struct TokenizerMetadata {
  std::string model;        ///< "gpt2" (byte-level BPE) or "llama" (SentencePiece); empty: none.
  std::string preTokenizer; ///< GGUF `tokenizer.ggml.pre`.
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  std::vector<std::string> merges;
  int32_t bos = -1, eos = -1, unknown = -1, padding = -1;
  std::vector<int32_t> extraEos; ///< Further ids that end a generation (eot, eom).
  bool addBos = false, addEos = false, addSpacePrefix = false;
  std::string chatTemplate;
};

/// Hyperparameters under one set of names. A recipe fills and checks them.
struct ModelConfig {
  std::string architecture; ///< Recipe name: "llama", "gemma3", …
  std::string name;
  std::string licence; ///< As the checkpoint states it; empty if it does not.
  uint32_t layers = 0, hidden = 0, feedForward = 0, heads = 0, kvHeads = 0, headDim = 0;
  uint32_t rotary = 0; ///< Rotated elements of a head.
  uint32_t vocabulary = 0, contextLength = 0;
  float normEps = 0;
  double ropeBase = 10000.0, ropeBaseLocal = 0; ///< Local base is for window layers (0: the same).
  uint32_t slidingWindow = 0;                   ///< 0: none.
  uint32_t windowPattern =
      0; ///< Every n-th layer is global, the others have the window. 0: none have.
  float attentionScale = 0; ///< Multiplies q.k
  float attentionSoftcap = 0, logitSoftcap = 0;
  float embeddingScale = 1;
  bool qkNorm = false, postNorms = false, tiedEmbeddings = false;
  std::string activation = "silu"; ///< or "gelu_tanh"
  /// Rope scaling: "none", "linear", "llama3", "yarn"; factors as in Hugging Face's config.
  std::string ropeScaling = "none";
  double ropeFactor = 1, ropeLowFreqFactor = 1, ropeHighFreqFactor = 4, ropeOriginalContext = 0;
  double ropeBetaFast = 32, ropeBetaSlow = 1; ///< YaRN's ramp.
  double ropeAttentionFactor = 0;             ///< YaRN's magnitude; 0: 0.1 * ln(factor) + 1.
  std::vector<float>
      ropeFactors; ///< Per-frequency divisors (GGUF rope_freqs), overriding the formula.
};

/// An open checkpoint. Tensors stay mapped as long as it lives; nothing is copied whole.
class Checkpoint {
public:
  virtual ~Checkpoint() = default;
  virtual const ModelConfig &config() const = 0;
  virtual const TokenizerMetadata &tokenizer() const = 0;
  virtual llvm::ArrayRef<Tensor> tensors() const = 0;
  virtual const Tensor *find(llvm::StringRef name) const = 0;
  /// Rows of q/k are stored for interleaved rotary pairs (2i, 2i+1) and must be permuted to halves.
  virtual bool interleavedRotary() const = 0;
  virtual llvm::StringRef path() const = 0;
  /// The bytes of `tensor` are not needed for now: their pages stop counting as this process's
  /// memory, and are read from the file again if somebody looks. Lets a compiler stream a
  /// checkpoint.
  virtual void release(const Tensor &tensor) const {}
  /// != 0: tensors have no data; weights are made at load from this seed.
  virtual uint64_t randomSeed() const = 0;
};

/// Options that only matter for some inputs.
struct OpenOptions {
  uint64_t randomWeightsSeed = 0;                        ///< For a bare config.json.
  WeightFormat randomWeightsFormat = WeightFormat::Q4_0; ///< Of its matrices.
};

/// Opens a GGUF file, or a config.json. Errors name the file, the byte offset or tensor, what was
/// found and wanted.
llvm::Expected<std::unique_ptr<Checkpoint>> openCheckpoint(llvm::StringRef path,
                                                           const OpenOptions &options);

/// Row `row` of a tensor as f32 (`out` has `columns` elements). Independent reference of every
/// block format.
void dequantizeRow(const Tensor &tensor, uint64_t row, llvm::MutableArrayRef<float> out);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_CHECKPOINT_H
