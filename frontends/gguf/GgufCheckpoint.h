//===- GgufCheckpoint.h - A GGUF file as a checkpoint -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_GGUF_GGUFCHECKPOINT_H
#define TENON_FRONTENDS_GGUF_GGUFCHECKPOINT_H

#include "frontends/Checkpoint.h"
#include "frontends/gguf/GgufFile.h"

namespace tenon::frontend {

/// Finds the recipe of a parsed file and checks the model against it.
llvm::Expected<std::unique_ptr<Checkpoint>> makeGgufCheckpoint(std::unique_ptr<GgufFile> gguf);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_GGUFCHECKPOINT_H
