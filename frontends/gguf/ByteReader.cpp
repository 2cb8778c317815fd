//===- ByteReader.cpp - Bounds-checked cursor over a file -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/ByteReader.h"

#include "frontends/ErrorText.h"

namespace tenon::frontend {

llvm::Error ByteReader::errorAt(uint64_t where, const llvm::Twine &message) const {
  return fileError(file, "byte " + llvm::Twine(where) + ": " + message);
}

llvm::Expected<llvm::ArrayRef<uint8_t>> ByteReader::readBytes(uint64_t size,
                                                              const llvm::Twine &what) {
  if (size > remaining())
    return errorAt(at, what + " needs " + llvm::Twine(size) + " bytes, but the file ends after " +
                           llvm::Twine(remaining()) +
                           " more; it is truncated or damaged: download or convert it again");
  llvm::ArrayRef<uint8_t> slice = bytes.slice(at, size);
  at += size;
  return slice;
}

llvm::Expected<llvm::StringRef> ByteReader::readString(const llvm::Twine &what,
                                                       uint64_t maxLength) {
  const uint64_t start = at;
  llvm::Expected<uint64_t> length = read<uint64_t>("the length of " + what);
  if (!length)
    return length.takeError();
  if (*length > maxLength)
    return errorAt(start, what + " claims a length of " + llvm::Twine(*length) +
                              " bytes, more than the " + llvm::Twine(maxLength) +
                              " allowed; the file is damaged: download or convert it again");
  llvm::Expected<llvm::ArrayRef<uint8_t>> raw = readBytes(*length, what);
  if (!raw)
    return raw.takeError();
  return llvm::StringRef(reinterpret_cast<const char *>(raw->data()), raw->size());
}

} // namespace tenon::frontend
