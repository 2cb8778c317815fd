//===- GgufFuzz.cpp - Any bytes as a GGUF file ----------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Parses the input, checks it against a recipe and, if it passes, decodes and packs the first and
// the last rows of every tensor. An input is refused with a message or opened; nothing else may
// happen.
//
//   tenon_gguf_fuzz -dict=test/fuzz/Gguf.dict work-folder test/corpus/gguf/valid
//   test/corpus/gguf/hostile

#include "compiler/pack/Packer.h"
#include "frontends/gguf/GgufCheckpoint.h"
#include "frontends/recipes/RotaryFrequencies.h"

#include <cstdlib>

using namespace tenon;

namespace {

/// Every refusal says something; the message itself is built, since it quotes the input.
void consume(llvm::Error error) {
  if (llvm::toString(std::move(error)).empty())
    std::abort();
}

void touch(const frontend::Tensor &tensor) {
  std::vector<float> row(tensor.columns);
  frontend::dequantizeRow(tensor, 0, row);
  frontend::dequantizeRow(tensor, tensor.rows - 1, row);
  const uint64_t rows = std::min<uint64_t>(tensor.rows, 17);
  std::vector<uint8_t> panels(packedBytes(tensor.format, rows, tensor.columns));
  if (llvm::Error error = compiler::packMatrix(tensor, {}, tensor.rows - rows, rows, panels)) {
    consume(std::move(error));
    std::abort(); // a tensor that the reader accepted can be packed
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto gguf = frontend::GgufFile::parse("input", llvm::ArrayRef(data, size));
  if (!gguf) {
    consume(gguf.takeError());
    return 0;
  }
  auto checkpoint = frontend::makeGgufCheckpoint(std::move(*gguf));
  if (!checkpoint) {
    consume(checkpoint.takeError());
    return 0;
  }
  for (const frontend::Tensor &tensor : (*checkpoint)->tensors())
    touch(tensor);
  frontend::rotaryFrequencies((*checkpoint)->config(), false);
  frontend::rotaryFrequencies((*checkpoint)->config(), true);
  return 0;
}
