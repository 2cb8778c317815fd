//===- LoadText.h - Prompts that are pieces of a text -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_LOADTEXT_H
#define TENON_TOOLS_TENON_LOADTEXT_H

#include "tools/tenon/LoadClient.h"

#include <string>
#include <vector>

namespace tenon::tool {

/// The ids of the text in the file at `path`, by the server's own /tokenize, so that pieces of it
/// have exact lengths. NotFound if the file or the server cannot be reached, Unsupported where the
/// server has no such route, InvalidArgument if the text has no tokens.
StatusOr<std::vector<uint32_t>> tokenizeByServer(const LoadPlan &plan, const std::string &path);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_LOADTEXT_H
