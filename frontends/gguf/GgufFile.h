//===- GgufFile.h - A parsed GGUF file --------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Header, metadata and tensor directory of a GGUF v2 or v3 file. The file is mapped read-only;
// strings, arrays and tensor data are views into the mapping. Everything that the file says about
// itself is checked against its size before it is believed.
//
#ifndef TENON_FRONTENDS_GGUF_GGUFFILE_H
#define TENON_FRONTENDS_GGUF_GGUFFILE_H

#include "frontends/Checkpoint.h"
#include "frontends/gguf/GgufFormat.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"

#include <memory>
#include <vector>

namespace tenon::frontend {

class ByteReader;

/// One metadata entry; views point into the file.
struct GgufValue {
  GgufType type = GgufType::UInt8;
  uint64_t offset = 0;                    ///< Byte of the file where the value starts.
  llvm::ArrayRef<uint8_t> bytes;          ///< Scalar, string, or all elements of an array.
  GgufType elementType = GgufType::UInt8; ///< Of an array.
  uint64_t count = 0;                     ///< Elements of an array.
};

/// One entry of the tensor directory, before it becomes a `Tensor`.
struct GgufTensorInfo {
  llvm::StringRef name;
  uint64_t entryOffset = 0;            ///< Byte where the entry starts.
  llvm::SmallVector<uint64_t, 4> dims; ///< Fastest first: dims[0] is a row's columns.
};

class GgufFile {
public:
  /// Maps and checks `path`. Whoever shortens the file while it is mapped stops this process
  /// (SIGBUS), as with every mapping; writing over it in place changes what is read.
  static llvm::Expected<std::unique_ptr<GgufFile>> open(llvm::StringRef path);

  /// Checks `bytes`, which must outlive the result. `name` stands for the file in errors.
  static llvm::Expected<std::unique_ptr<GgufFile>> parse(llvm::StringRef name,
                                                         llvm::ArrayRef<uint8_t> bytes);

  llvm::StringRef path() const { return file; }
  uint32_t version() const { return formatVersion; }
  /// In file order.
  llvm::ArrayRef<Tensor> tensors() const { return directory; }
  llvm::ArrayRef<GgufTensorInfo> tensorInfos() const { return infos; }
  const Tensor *findTensor(llvm::StringRef name) const;
  /// Drops the pages that lie wholly inside the tensor's bytes from this process; see
  /// Checkpoint::release.
  void release(const Tensor &tensor) const;
  /// Keys in file order.
  llvm::ArrayRef<llvm::StringRef> keys() const { return keyOrder; }
  const GgufValue *find(llvm::StringRef key) const;

  // Typed reads. A missing key, another type or a value out of range is an error that names the
  // key.
  llvm::Expected<uint64_t> getUnsigned(llvm::StringRef key) const;
  llvm::Expected<double> getFloat(llvm::StringRef key) const;
  llvm::Expected<bool> getBool(llvm::StringRef key) const;
  llvm::Expected<llvm::StringRef> getString(llvm::StringRef key) const;
  llvm::Expected<std::vector<std::string>> getStrings(llvm::StringRef key) const;
  llvm::Expected<std::vector<float>> getFloats(llvm::StringRef key) const;
  llvm::Expected<std::vector<int32_t>> getInts(llvm::StringRef key) const;

  /// An error about metadata key `key` that says where its value lies.
  llvm::Error keyError(llvm::StringRef key, const llvm::Twine &message) const;

private:
  GgufFile() = default;
  llvm::Error parseAll();
  llvm::Error parseMetadata(ByteReader &reader, uint64_t count);
  llvm::Error parseTensors(ByteReader &reader, uint64_t count);
  llvm::Error parseTensor(ByteReader &reader, uint64_t index, uint64_t &dataOffset);
  llvm::Error placeTensors(ByteReader &reader, llvm::ArrayRef<uint64_t> dataOffsets);
  llvm::Expected<const GgufValue *> getArray(llvm::StringRef key) const;
  llvm::Expected<const GgufValue *> getValue(llvm::StringRef key) const;

  std::string file;
  std::unique_ptr<llvm::sys::fs::mapped_file_region> mapping;
  llvm::ArrayRef<uint8_t> bytes;
  uint32_t formatVersion = 0;
  std::vector<llvm::StringRef> keyOrder;
  llvm::StringMap<GgufValue> values;
  std::vector<Tensor> directory;
  std::vector<GgufTensorInfo> infos;
  llvm::StringMap<uint64_t> tensorIndex;
};

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_GGUFFILE_H
