//===- ByteReader.h - Bounds-checked cursor over a file ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Reads little-endian scalars and length-prefixed strings from mapped bytes. Every failure names
// the file and the byte where the reader stood.
//
#ifndef TENON_FRONTENDS_GGUF_BYTEREADER_H
#define TENON_FRONTENDS_GGUF_BYTEREADER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace tenon::frontend {

static_assert(std::endian::native == std::endian::little, "checkpoints are read in place");

/// A cursor that never leaves `bytes`. Strings it returns point into `bytes`.
class ByteReader {
public:
  ByteReader(llvm::StringRef file, llvm::ArrayRef<uint8_t> bytes) : file(file), bytes(bytes) {}

  uint64_t offset() const { return at; }
  uint64_t remaining() const { return bytes.size() - at; }

  /// An error at byte `where` of the file.
  llvm::Error errorAt(uint64_t where, const llvm::Twine &message) const;

  /// Next scalar; `what` names it in the error of a truncated file.
  template <typename T> llvm::Expected<T> read(const llvm::Twine &what) {
    llvm::Expected<llvm::ArrayRef<uint8_t>> raw = readBytes(sizeof(T), what);
    if (!raw)
      return raw.takeError();
    T value;
    std::memcpy(&value, raw->data(), sizeof(T));
    return value;
  }

  /// Next string: u64 length, then bytes. Longer than `maxLength` is an error.
  llvm::Expected<llvm::StringRef> readString(const llvm::Twine &what, uint64_t maxLength);

  /// Next `size` bytes.
  llvm::Expected<llvm::ArrayRef<uint8_t>> readBytes(uint64_t size, const llvm::Twine &what);

private:
  llvm::StringRef file;
  llvm::ArrayRef<uint8_t> bytes;
  uint64_t at = 0;
};

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_BYTEREADER_H
