//===- UnicodeClass.h - Classes of code points -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Own tables instead of a regular-expression library's: a vocabulary's words are those of the
// library that trained it, whose Unicode version is newer than the packaged libraries'.
// make_unicode_classes.py writes the table.
//
#ifndef TENON_RUNTIME_TEXT_UNICODECLASS_H
#define TENON_RUNTIME_TEXT_UNICODECLASS_H

#include <cstdint>

namespace tenon::text {

enum UnicodeClass : uint8_t {
  kLetter = 1,  ///< \p{L}
  kNumber = 2,  ///< \p{N}
  kSpace = 4,   ///< \s
  kNumeric = 8, ///< \p{N} of a later Unicode version, as the `Digits` pre-tokenizer uses it.
  // Chat templates see text as Python's str does.
  kPythonDecimal = 16,
  kPythonDigit = 32,
  kPythonNumeric = 64,
  kPythonPrintable = 128,
};

/// The set of UnicodeClass of a code point; 0 for anything else, such as punctuation.
uint8_t unicodeClass(char32_t codePoint);

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_UNICODECLASS_H
