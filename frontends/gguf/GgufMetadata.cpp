//===- GgufMetadata.cpp - Typed reads of GGUF metadata --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/ErrorText.h"
#include "frontends/gguf/GgufFile.h"

#include <cmath>
#include <limits>

namespace tenon::frontend {

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

template <typename T> T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Any integer as sign and magnitude fit for a range check; false if `type` is no integer.
bool loadInteger(GgufType type, const uint8_t *bytes, bool &negative, uint64_t &bits) {
  int64_t value = 0;
  switch (type) {
  case GgufType::UInt8:
    value = load<uint8_t>(bytes);
    break;
  case GgufType::Int8:
    value = load<int8_t>(bytes);
    break;
  case GgufType::UInt16:
    value = load<uint16_t>(bytes);
    break;
  case GgufType::Int16:
    value = load<int16_t>(bytes);
    break;
  case GgufType::UInt32:
    value = load<uint32_t>(bytes);
    break;
  case GgufType::Int32:
    value = load<int32_t>(bytes);
    break;
  case GgufType::Int64:
    value = load<int64_t>(bytes);
    break;
  case GgufType::UInt64:
    negative = false;
    bits = load<uint64_t>(bytes);
    return true;
  default:
    return false;
  }
  negative = value < 0;
  bits = static_cast<uint64_t>(value);
  return true;
}

const char *const kConvertAgain = "; convert the model again with a current converter";

} // namespace

Error GgufFile::keyError(StringRef key, const Twine &message) const {
  const GgufValue *value = find(key);
  const std::string place = value ? " (byte " + std::to_string(value->offset) + ")" : "";
  return fileError(file, "metadata key '" + printable(key) + "'" + place + " " + message);
}

Expected<const GgufValue *> GgufFile::getValue(StringRef key) const {
  if (const GgufValue *value = find(key))
    return value;
  return keyError(key, Twine("is missing") + kConvertAgain);
}

Expected<const GgufValue *> GgufFile::getArray(StringRef key) const {
  Expected<const GgufValue *> value = getValue(key);
  if (value && (*value)->type != GgufType::Array)
    return keyError(key, "is a " + ggufTypeName((*value)->type) + ", but an array is wanted" +
                             kConvertAgain);
  return value;
}

Expected<uint64_t> GgufFile::getUnsigned(StringRef key) const {
  Expected<const GgufValue *> value = getValue(key);
  if (!value)
    return value.takeError();
  bool negative = false;
  uint64_t bits = 0;
  if (!loadInteger((*value)->type, (*value)->bytes.data(), negative, bits))
    return keyError(key, "is of type " + ggufTypeName((*value)->type) +
                             ", but an integer is wanted" + kConvertAgain);
  if (negative)
    return keyError(key, "is " + Twine(static_cast<int64_t>(bits)) + ", but it cannot be negative" +
                             kConvertAgain);
  return bits;
}

Expected<double> GgufFile::getFloat(StringRef key) const {
  Expected<const GgufValue *> value = getValue(key);
  if (!value)
    return value.takeError();
  double number = 0;
  if ((*value)->type == GgufType::Float32)
    number = load<float>((*value)->bytes.data());
  else if ((*value)->type == GgufType::Float64)
    number = load<double>((*value)->bytes.data());
  else
    return keyError(key, "is of type " + ggufTypeName((*value)->type) +
                             ", but f32 or f64 is wanted" + kConvertAgain);
  if (!std::isfinite(number))
    return keyError(key, Twine("is not a finite number") + kConvertAgain);
  return number;
}

Expected<bool> GgufFile::getBool(StringRef key) const {
  Expected<const GgufValue *> value = getValue(key);
  if (!value)
    return value.takeError();
  if ((*value)->type != GgufType::Bool)
    return keyError(key, "is of type " + ggufTypeName((*value)->type) + ", but bool is wanted" +
                             kConvertAgain);
  return (*value)->bytes[0] != 0;
}

Expected<StringRef> GgufFile::getString(StringRef key) const {
  Expected<const GgufValue *> value = getValue(key);
  if (!value)
    return value.takeError();
  if ((*value)->type != GgufType::String)
    return keyError(key, "is of type " + ggufTypeName((*value)->type) + ", but string is wanted" +
                             kConvertAgain);
  return StringRef(reinterpret_cast<const char *>((*value)->bytes.data()), (*value)->bytes.size());
}

Expected<std::vector<std::string>> GgufFile::getStrings(StringRef key) const {
  Expected<const GgufValue *> value = getArray(key);
  if (!value)
    return value.takeError();
  if ((*value)->elementType != GgufType::String)
    return keyError(key, "holds elements of type " + ggufTypeName((*value)->elementType) +
                             ", but string is wanted" + kConvertAgain);
  std::vector<std::string> result;
  result.reserve((*value)->count);
  const uint8_t *at = (*value)->bytes.data(); // every length was checked when the file was parsed
  for (uint64_t i = 0; i < (*value)->count; ++i) {
    const uint64_t length = load<uint64_t>(at);
    result.emplace_back(reinterpret_cast<const char *>(at + 8), length);
    at += 8 + length;
  }
  return result;
}

Expected<std::vector<float>> GgufFile::getFloats(StringRef key) const {
  Expected<const GgufValue *> value = getArray(key);
  if (!value)
    return value.takeError();
  if ((*value)->elementType != GgufType::Float32)
    return keyError(key, "holds elements of type " + ggufTypeName((*value)->elementType) +
                             ", but f32 is wanted" + kConvertAgain);
  std::vector<float> result((*value)->count);
  if (!result.empty())
    std::memcpy(result.data(), (*value)->bytes.data(), (*value)->bytes.size());
  return result;
}

Expected<std::vector<int32_t>> GgufFile::getInts(StringRef key) const {
  Expected<const GgufValue *> value = getArray(key);
  if (!value)
    return value.takeError();
  const GgufType type = (*value)->elementType;
  const uint32_t size = ggufScalarBytes(type);
  std::vector<int32_t> result;
  result.reserve((*value)->count);
  for (uint64_t i = 0; i < (*value)->count; ++i) {
    bool negative = false;
    uint64_t bits = 0;
    if (!loadInteger(type, (*value)->bytes.data() + i * size, negative, bits))
      return keyError(key, "holds elements of type " + ggufTypeName(type) +
                               ", but integers are wanted" + kConvertAgain);
    const int64_t number = static_cast<int64_t>(bits);
    if ((!negative && bits > std::numeric_limits<int32_t>::max()) ||
        number < std::numeric_limits<int32_t>::min())
      return keyError(key, "holds " + Twine(number) + " as element " + Twine(i) +
                               ", which does not fit 32 bits" + kConvertAgain);
    result.push_back(static_cast<int32_t>(number));
  }
  return result;
}

} // namespace tenon::frontend
