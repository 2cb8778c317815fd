//===- GgufFile.cpp - Parse and check a GGUF file -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/GgufFile.h"

#include "frontends/ErrorText.h"
#include "frontends/gguf/ByteReader.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MathExtras.h"

#include "llvm/Support/Process.h"

#include <sys/mman.h>

namespace tenon::frontend {

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

constexpr uint64_t kMaxKeyLength = 65535; // of the specification
constexpr uint64_t kMaxNameLength = 64;   // of the specification
constexpr uint64_t kMaxStringLength =
    1 << 30; // a bound for the message; the file's size is the real one
constexpr uint32_t kMaxArrayDepth = 4;
constexpr uint32_t kMaxDims = 4;
constexpr uint32_t kDefaultAlignment = 32;
constexpr uint32_t kMaxAlignment = 1u << 24;
// Least bytes of one entry: key length, one character, type, one byte of value;
constexpr uint64_t kMinMetadataBytes = 8 + 1 + 4 + 1;
// name length, one character, dimension count, one dimension, type, offset.
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

const char *const kDamaged = "; the file is damaged: download or convert it again";

/// Reads a value's bytes; arrays walk their elements so that later reads need no checks.
Error readValueBytes(ByteReader &reader, const Twine &what, uint32_t depth, GgufValue &value) {
  const uint64_t start = reader.offset();
  const uint32_t type = static_cast<uint32_t>(value.type);
  if (type >= kNumGgufTypes)
    return reader.errorAt(start, what + " has value type " + Twine(type) +
                                     ", but types end at 12 (f64)" + kDamaged);
  if (value.type == GgufType::String) {
    Expected<StringRef> text = reader.readString(what, kMaxStringLength);
    if (!text)
      return text.takeError();
    value.bytes = ArrayRef(reinterpret_cast<const uint8_t *>(text->data()), text->size());
    return Error::success();
  }
  if (value.type != GgufType::Array) {
    Expected<ArrayRef<uint8_t>> raw = reader.readBytes(ggufScalarBytes(value.type), what);
    if (!raw)
      return raw.takeError();
    value.bytes = *raw;
    if (value.type == GgufType::Bool && (*raw)[0] > 1)
      return reader.errorAt(start, what + " is a bool with value " + Twine(unsigned((*raw)[0])) +
                                       kDamaged);
    return Error::success();
  }

  if (depth >= kMaxArrayDepth)
    return reader.errorAt(start,
                          what + " nests arrays deeper than " + Twine(kMaxArrayDepth) + kDamaged);
  Expected<uint32_t> elementType = reader.read<uint32_t>("the element type of " + what);
  if (!elementType)
    return elementType.takeError();
  if (*elementType >= kNumGgufTypes)
    return reader.errorAt(start, what + " has elements of type " + Twine(*elementType) +
                                     ", but types end at 12 (f64)" + kDamaged);
  const uint64_t countOffset = reader.offset();
  Expected<uint64_t> count = reader.read<uint64_t>("the element count of " + what);
  if (!count)
    return count.takeError();
  value.elementType = static_cast<GgufType>(*elementType);
  value.count = *count;
  // A string is at least its length, an array its type and count.
  const uint64_t least = value.elementType == GgufType::String ? 8
                         : value.elementType == GgufType::Array
                             ? 12
                             : ggufScalarBytes(value.elementType);
  if (*count > reader.remaining() / least)
    return reader.errorAt(countOffset, what + " claims " + Twine(*count) + " elements of type " +
                                           ggufTypeName(value.elementType) + ", but the " +
                                           Twine(reader.remaining()) +
                                           " bytes left in the file hold at most " +
                                           Twine(reader.remaining() / least) + kDamaged);
  const uint64_t dataStart = reader.offset();
  const uint8_t *data = nullptr;
  if (value.elementType != GgufType::String && value.elementType != GgufType::Array) {
    Expected<ArrayRef<uint8_t>> raw = reader.readBytes(*count * least, what);
    if (!raw)
      return raw.takeError();
    value.bytes = *raw;
    return Error::success();
  }
  Expected<ArrayRef<uint8_t>> here = reader.readBytes(0, what);
  if (!here)
    return here.takeError();
  data = here->data();
  for (uint64_t i = 0; i < *count; ++i) {
    GgufValue element;
    element.type = value.elementType;
    if (Error error =
            readValueBytes(reader, "element " + Twine(i) + " of " + what, depth + 1, element))
      return error;
  }
  value.bytes = ArrayRef(data, reader.offset() - dataStart);
  return Error::success();
}

} // namespace

Expected<std::unique_ptr<GgufFile>> GgufFile::open(StringRef path) {
  Expected<llvm::sys::fs::file_t> handle = llvm::sys::fs::openNativeFileForRead(path);
  if (!handle)
    return fileError(path, "cannot be opened: " + llvm::toString(handle.takeError()));
  llvm::scope_exit closeHandle([&] { llvm::sys::fs::closeFile(*handle); });
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(*handle, status))
    return fileError(path, "cannot be examined: " + Twine(code.message()));
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return fileError(path, "is not a regular file; give the path of a GGUF file");
  if (status.getSize() == 0)
    return fileError(path, "is empty; download or convert it again");

  std::error_code code;
  auto mapping = std::make_unique<llvm::sys::fs::mapped_file_region>(
      *handle, llvm::sys::fs::mapped_file_region::readonly, status.getSize(), 0, code);
  if (code)
    return fileError(path, "cannot be mapped: " + Twine(code.message()));
  ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(mapping->const_data()),
                          mapping->size());
  Expected<std::unique_ptr<GgufFile>> parsed = parse(path, bytes);
  if (parsed)
    (*parsed)->mapping = std::move(mapping);
  return parsed;
}

Expected<std::unique_ptr<GgufFile>> GgufFile::parse(StringRef name, ArrayRef<uint8_t> bytes) {
  std::unique_ptr<GgufFile> result(new GgufFile);
  result->file = name.str();
  result->bytes = bytes;
  if (Error error = result->parseAll())
    return std::move(error);
  return result;
}

Error GgufFile::parseAll() {
  ByteReader reader(file, bytes);
  Expected<uint32_t> magic = reader.read<uint32_t>("the magic number");
  if (!magic)
    return magic.takeError();
  if (*magic != kGgufMagic)
    return reader.errorAt(0, "starts with 0x" + Twine::utohexstr(*magic) +
                                 ", but a GGUF file starts with 0x46554747 (\"GGUF\"); give a "
                                 "GGUF file or a config.json");
  Expected<uint32_t> version = reader.read<uint32_t>("the format version");
  if (!version)
    return version.takeError();
  if (llvm::byteswap(*version) == 2 || llvm::byteswap(*version) == 3)
    return reader.errorAt(4, "the file is big-endian GGUF, but little-endian is wanted; convert "
                             "the model again without the big-endian option");
  if (*version != 2 && *version != 3)
    return reader.errorAt(4, "is GGUF version " + Twine(*version) +
                                 ", but versions 2 and 3 are read; convert the model again with a "
                                 "current converter");
  formatVersion = *version;
  Expected<uint64_t> tensorCount = reader.read<uint64_t>("the tensor count");
  if (!tensorCount)
    return tensorCount.takeError();
  Expected<uint64_t> metadataCount = reader.read<uint64_t>("the metadata count");
  if (!metadataCount)
    return metadataCount.takeError();
  auto tooMany = [&](uint64_t where, StringRef what, uint64_t count, uint64_t least) {
    return reader.errorAt(where, "claims " + Twine(count) + " " + what + ", but the " +
                                     Twine(reader.remaining()) +
                                     " bytes left in the file hold at most " +
                                     Twine(reader.remaining() / least) + kDamaged);
  };
  if (*metadataCount > reader.remaining() / kMinMetadataBytes)
    return tooMany(16, "metadata entries", *metadataCount, kMinMetadataBytes);
  if (*tensorCount > reader.remaining() / kMinTensorBytes)
    return tooMany(8, "tensors", *tensorCount, kMinTensorBytes);
  if (Error error = parseMetadata(reader, *metadataCount))
    return error;
  return parseTensors(reader, *tensorCount);
}

Error GgufFile::parseMetadata(ByteReader &reader, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = reader.offset();
    Expected<StringRef> key =
        reader.readString("the key of metadata entry " + Twine(i), kMaxKeyLength);
    if (!key)
      return key.takeError();
    if (key->empty())
      return reader.errorAt(start, "metadata entry " + Twine(i) + " has an empty key" + kDamaged);
    const std::string what = "metadata key '" + printable(*key) + "'";
    Expected<uint32_t> type = reader.read<uint32_t>("the type of " + what);
    if (!type)
      return type.takeError();
    GgufValue value;
    value.type = static_cast<GgufType>(*type);
    value.offset = reader.offset();
    if (Error error = readValueBytes(reader, what, 0, value))
      return error;
    if (!values.try_emplace(*key, value).second)
      return reader.errorAt(start, what + " appears twice (first value at byte " +
                                       Twine(values.find(*key)->second.offset) +
                                       "); remove one, or convert the model again");
    keyOrder.push_back(*key);
  }
  return Error::success();
}

Error GgufFile::parseTensor(ByteReader &reader, uint64_t index, uint64_t &dataOffset) {
  GgufTensorInfo info;
  info.entryOffset = reader.offset();
  Expected<StringRef> name =
      reader.readString("the name of tensor " + Twine(index), kMaxNameLength);
  if (!name)
    return name.takeError();
  if (name->empty())
    return reader.errorAt(info.entryOffset,
                          "tensor " + Twine(index) + " has an empty name" + kDamaged);
  info.name = *name;
  const std::string what = "tensor '" + printable(*name) + "'";
  Expected<uint32_t> dimCount = reader.read<uint32_t>("the dimension count of " + what);
  if (!dimCount)
    return dimCount.takeError();
  if (*dimCount == 0 || *dimCount > kMaxDims)
    return reader.errorAt(info.entryOffset, what + " has " + Twine(*dimCount) +
                                                " dimensions, but 1 to 4 are allowed" + kDamaged);
  uint64_t total = 1;
  for (uint32_t d = 0; d < *dimCount; ++d) {
    Expected<uint64_t> dim = reader.read<uint64_t>("dimension " + Twine(d) + " of " + what);
    if (!dim)
      return dim.takeError();
    bool overflow = false;
    total = llvm::SaturatingMultiply(total, *dim, &overflow);
    if (*dim == 0 || overflow || total > (uint64_t(1) << 60))
      return reader.errorAt(info.entryOffset, what + " has dimension " + Twine(d) + " of " +
                                                  Twine(*dim) +
                                                  ", which makes its size zero or larger than any "
                                                  "file" +
                                                  kDamaged);
    info.dims.push_back(*dim);
  }
  Expected<uint32_t> type = reader.read<uint32_t>("the type of " + what);
  if (!type)
    return type.takeError();
  Expected<uint64_t> offset = reader.read<uint64_t>("the data offset of " + what);
  if (!offset)
    return offset.takeError();

  const std::optional<WeightFormat> format = weightFormatOfGgml(*type);
  if (!format) {
    const StringRef known = ggmlTypeName(*type);
    const std::string number = std::to_string(*type);
    return reader.errorAt(info.entryOffset,
                          what + " has type " +
                              (known.empty() ? number : known.str() + " (" + number + ")") +
                              ", which is not read; quantise the model to one of F32, F16, BF16, "
                              "Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K");
  }
  Tensor tensor;
  tensor.name = name->str();
  tensor.format = *format;
  tensor.columns = info.dims[0];
  tensor.rows = total / info.dims[0];
  const uint32_t block = blockSize(*format).values;
  if (tensor.columns % block != 0)
    return reader.errorAt(info.entryOffset, what + " of type " + formatInfo(*format).name.data() +
                                                " has rows of " + Twine(tensor.columns) +
                                                " values, but a multiple of " + Twine(block) +
                                                " is wanted" + kDamaged);
  if (!tensorIndex.try_emplace(*name, directory.size()).second)
    return reader.errorAt(info.entryOffset,
                          what + " appears twice; remove one, or convert the model again");
  dataOffset = *offset;
  directory.push_back(std::move(tensor));
  infos.push_back(std::move(info));
  return Error::success();
}

Error GgufFile::parseTensors(ByteReader &reader, uint64_t count) {
  std::vector<uint64_t> offsets(count);
  directory.reserve(count);
  infos.reserve(count);
  for (uint64_t i = 0; i < count; ++i)
    if (Error error = parseTensor(reader, i, offsets[i]))
      return error;
  return placeTensors(reader, offsets);
}

Error GgufFile::placeTensors(ByteReader &reader, ArrayRef<uint64_t> dataOffsets) {
  uint64_t alignment = kDefaultAlignment;
  if (find("general.alignment")) {
    Expected<uint64_t> given = getUnsigned("general.alignment");
    if (!given)
      return given.takeError();
    alignment = *given;
    if (alignment < 8 || alignment > kMaxAlignment || !llvm::isPowerOf2_64(alignment))
      return keyError("general.alignment", "is " + Twine(alignment) +
                                               ", but a power of two from 8 to 16777216 is wanted; "
                                               "convert the model again");
  }
  const uint64_t dataStart = llvm::alignTo(reader.offset(), alignment);
  const uint64_t dataBytes = dataStart < bytes.size() ? bytes.size() - dataStart : 0;
  for (auto [tensor, info, offset] : llvm::zip_equal(directory, infos, dataOffsets)) {
    const std::string what = "tensor '" + printable(info.name) + "'";
    // At most 2^60 values of at most 4 bytes: no overflow.
    const uint64_t size = storedRowBytes(tensor.format, tensor.columns) * tensor.rows;
    if (offset % alignment != 0)
      return reader.errorAt(info.entryOffset, what + " lies at data offset " + Twine(offset) +
                                                  ", which is not a multiple of the alignment " +
                                                  Twine(alignment) + kDamaged);
    if (offset > dataBytes || size > dataBytes - offset)
      return reader.errorAt(info.entryOffset,
                            what + " needs " + Twine(size) + " bytes at data offset " +
                                Twine(offset) + ", but the file holds " + Twine(dataBytes) +
                                " bytes of tensor data from byte " + Twine(dataStart) +
                                "; it is truncated or damaged: download or convert it again");
    tensor.data = bytes.slice(dataStart + offset, size);
  }

  std::vector<const Tensor *> order;
  for (const Tensor &tensor : directory)
    order.push_back(&tensor);
  llvm::sort(order,
             [](const Tensor *a, const Tensor *b) { return a->data.data() < b->data.data(); });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->data.end() > order[i]->data.begin())
      return reader.errorAt(infos[tensorIndex.lookup(order[i]->name)].entryOffset,
                            "tensor '" + printable(order[i]->name) + "' overlaps tensor '" +
                                printable(order[i - 1]->name) + "' in the file" + kDamaged);
  return Error::success();
}

const Tensor *GgufFile::findTensor(StringRef name) const {
  auto it = tensorIndex.find(name);
  return it == tensorIndex.end() ? nullptr : &directory[it->second];
}

void GgufFile::release(const Tensor &tensor) const {
  if (!mapping || tensor.data.empty())
    return;
  const uintptr_t page = llvm::sys::Process::getPageSizeEstimate();
  const uintptr_t begin = llvm::alignTo(reinterpret_cast<uintptr_t>(tensor.data.begin()), page);
  const uintptr_t end = llvm::alignDown(reinterpret_cast<uintptr_t>(tensor.data.end()), page);
  if (begin < end) // a hint: failing changes nothing but the memory in use
    ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

const GgufValue *GgufFile::find(StringRef key) const {
  auto it = values.find(key);
  return it == values.end() ? nullptr : &it->second;
}

} // namespace tenon::frontend
