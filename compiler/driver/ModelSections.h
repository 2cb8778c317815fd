//===- ModelSections.h - Tokenizer, template and model card -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The sections of an engine that come from the checkpoint's metadata.
//
#ifndef TENON_COMPILER_DRIVER_MODELSECTIONS_H
#define TENON_COMPILER_DRIVER_MODELSECTIONS_H

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/accuracy/AccuracyCheck.h"
#include "frontends/Checkpoint.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace tenon::compiler {

/// The tokenizer section; empty if the checkpoint has no tokenizer.
llvm::Expected<std::vector<uint8_t>> tokenizerSection(const frontend::Checkpoint &checkpoint);

/// XXH3-128 of a file in hexadecimal, read in pieces.
llvm::Expected<std::string> checksumOfFile(llvm::StringRef path);

/// The model card: JSON with name, architecture, source (file, size and checksum), producer, target
/// the options that shape the result, and what rounded weights cost if that was looked at,
/// and predictionTable() if chips were described. Paths are cut to file names: where a checkpoint
/// lay is nobody's business, and the same checkpoint elsewhere gives the same bytes.
std::string modelCard(const frontend::Checkpoint &checkpoint, const CompileOptions &options,
                      llvm::StringRef producer, llvm::StringRef target,
                      llvm::StringRef sourceChecksum, const std::optional<AccuracyReport> &accuracy,
                      std::optional<llvm::json::Object> prediction);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_MODELSECTIONS_H
