//===- JsonNesting.h - How deep a JSON text nests ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_FRONTENDS_JSONNESTING_H
#define TENON_FRONTENDS_JSONNESTING_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace tenon::frontend {

/// Whether more than `limit` brackets of `text`, JSON or not, are open at once. LLVM's JSON parser
/// recurses without a limit of its own, so ask this before it.
bool nestsDeeperThan(llvm::StringRef text, uint32_t limit);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_JSONNESTING_H
