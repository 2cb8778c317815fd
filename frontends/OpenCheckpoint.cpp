//===- OpenCheckpoint.cpp - Choose the reader of a file -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/Checkpoint.h"
#include "frontends/ErrorText.h"
#include "frontends/gguf/GgufCheckpoint.h"
#include "frontends/huggingface/ConfigJson.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tenon::frontend {

using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

Expected<std::unique_ptr<Checkpoint>> openJson(StringRef path, const OpenOptions &options) {
  uint64_t size = 0;
  if (std::error_code code = llvm::sys::fs::file_size(path, size))
    return fileError(path, "cannot be opened: " + Twine(code.message()));
  if (size > kMaxConfigBytes)
    return fileError(path, "has " + Twine(size) + " bytes, but a config.json has at most " +
                               Twine(kMaxConfigBytes) + "; give a model's config.json");
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fileError(path, "cannot be opened: " + Twine(buffer.getError().message()));
  return openConfigJson(path, (*buffer)->getBuffer(), options);
}

} // namespace

Expected<std::unique_ptr<Checkpoint>> openCheckpoint(StringRef path, const OpenOptions &options) {
  // The place of the Hugging Face directory reader (safetensors, tokenizer.json).
  if (llvm::sys::fs::is_directory(path))
    return fileError(path, "is a directory; Hugging Face directories are not read yet; convert to "
                           "GGUF, or give the directory's config.json and --random-weights SEED");
  if (path.ends_with(".safetensors"))
    return fileError(path,
                     "is a safetensors file, which is not read yet; convert the model to GGUF");
  if (path.ends_with(".json"))
    return openJson(path, options);
  if (options.randomWeightsSeed != 0)
    return fileError(path, "random weights are for a bare config.json, and this is not one; leave "
                           "--random-weights away, or give the model's config.json");
  Expected<std::unique_ptr<GgufFile>> gguf = GgufFile::open(path);
  if (!gguf)
    return gguf.takeError();
  return makeGgufCheckpoint(std::move(*gguf));
}

} // namespace tenon::frontend
