//===- GgufTokenizer.h - Tokenizer metadata for tests -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Reads the tokenizer metadata of a GGUF file without the compiler's frontend, so that these tests
// build with the runtime alone. For files that are trusted.
//
#ifndef TENON_TEST_TEXT_GGUFTOKENIZER_H
#define TENON_TEST_TEXT_GGUFTOKENIZER_H

#include "runtime/base/Status.h"
#include "runtime/text/TokenizerSource.h"

#include <string>

namespace tenon::text {

struct GgufTokenizer {
  TokenizerSource source;
  std::string chatTemplate;
};

StatusOr<GgufTokenizer> readGgufTokenizer(const std::string &path);

/// The path of a model in the folder that TENON_MODELS names (default build/models), or "" when it
/// is not there.
std::string findModel(const std::string &file);

} // namespace tenon::text

#endif // TENON_TEST_TEXT_GGUFTOKENIZER_H
