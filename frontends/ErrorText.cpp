//===- ErrorText.cpp - Pieces of a reader's messages ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/ErrorText.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon::frontend {

std::string printable(llvm::StringRef text) {
  std::string out;
  llvm::raw_string_ostream stream(out);
  llvm::printEscapedString(text.take_front(80), stream);
  if (text.size() > 80)
    stream << "...";
  return out;
}

std::string numberText(double number) {
  std::string out;
  llvm::raw_string_ostream(out) << llvm::format("%g", number);
  return out;
}

llvm::Error fileError(llvm::StringRef file, const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 llvm::Twine(file) + ": " + message);
}

} // namespace tenon::frontend
