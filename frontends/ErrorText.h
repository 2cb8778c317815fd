//===- ErrorText.h - Pieces of a reader's messages --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_ERRORTEXT_H
#define TENON_FRONTENDS_ERRORTEXT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <string>

namespace tenon::frontend {

/// `text` from a file, for a message: escaped, at most 80 bytes of it.
std::string printable(llvm::StringRef text);

/// A number in at most six digits: "1e-05".
std::string numberText(double number);

/// An error about `file`.
llvm::Error fileError(llvm::StringRef file, const llvm::Twine &message);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_ERRORTEXT_H
