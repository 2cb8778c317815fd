//===- GgufTokenizer.cpp - Tokenizer metadata for tests -------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "GgufTokenizer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon::text {
namespace {

/// The value types of GGUF version 3.
enum Type : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

class Reader {
public:
  explicit Reader(const std::string &path) : in(path, std::ios::binary) {}
  bool good() const { return in.good(); }

  template <typename T> T number() {
    T value{};
    in.read(reinterpret_cast<char *>(&value), sizeof(T));
    return value;
  }
  std::string string() {
    std::string s(number<uint64_t>(), '\0');
    in.read(s.data(), std::streamsize(s.size()));
    return s;
  }
  int64_t integer(uint32_t type) {
    switch (type) {
    case U8:
    case Bool:
      return number<uint8_t>();
    case I8:
      return number<int8_t>();
    case U16:
      return number<uint16_t>();
    case I16:
      return number<int16_t>();
    case U32:
      return number<uint32_t>();
    case I32:
      return number<int32_t>();
    case U64:
    case I64:
      return number<int64_t>();
    default:
      skip(type);
      return 0;
    }
  }
  void skip(uint32_t type) {
    static constexpr int kSize[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == String) {
      string();
    } else if (type == Array) {
      const auto element = number<uint32_t>();
      for (uint64_t n = number<uint64_t>(); n > 0 && good(); --n)
        skip(element);
    } else {
      in.seekg(kSize[type], std::ios::cur);
    }
  }
  template <typename T, typename Read> std::vector<T> array(Read read) {
    const auto element = number<uint32_t>();
    std::vector<T> values(number<uint64_t>());
    for (T &value : values)
      value = read(element);
    return values;
  }

private:
  std::ifstream in;
};

} // namespace

StatusOr<GgufTokenizer> readGgufTokenizer(const std::string &path) {
  Reader in(path);
  if (in.number<uint32_t>() != 0x46554747 || !in.good())
    return Status::notFound(path + " is no GGUF file");
  in.number<uint32_t>(); // version
  in.number<uint64_t>(); // tensors
  GgufTokenizer out;
  TokenizerSource &t = out.source;
  for (uint64_t n = in.number<uint64_t>(); n > 0 && in.good(); --n) {
    const std::string key = in.string();
    const auto type = in.number<uint32_t>();
    const auto strings = [&] {
      return in.array<std::string>([&](uint32_t) { return in.string(); });
    };
    if (key == "tokenizer.ggml.model")
      t.model = in.string();
    else if (key == "tokenizer.ggml.pre")
      t.preTokenizer = in.string();
    else if (key == "tokenizer.ggml.tokens")
      t.tokens = strings();
    else if (key == "tokenizer.ggml.merges")
      t.merges = strings();
    else if (key == "tokenizer.ggml.scores")
      t.scores = in.array<float>([&](uint32_t) { return in.number<float>(); });
    else if (key == "tokenizer.ggml.token_type")
      t.types = in.array<int32_t>([&](uint32_t element) { return int32_t(in.integer(element)); });
    else if (key == "tokenizer.ggml.bos_token_id")
      t.bos = int32_t(in.integer(type));
    else if (key == "tokenizer.ggml.eos_token_id")
      t.eos = int32_t(in.integer(type));
    else if (key == "tokenizer.ggml.unknown_token_id")
      t.unknown = int32_t(in.integer(type));
    else if (key == "tokenizer.ggml.padding_token_id")
      t.padding = int32_t(in.integer(type));
    else if (key == "tokenizer.ggml.add_bos_token")
      t.addBos = in.integer(type) != 0;
    else if (key == "tokenizer.ggml.add_eos_token")
      t.addEos = in.integer(type) != 0;
    else if (key == "tokenizer.ggml.add_space_prefix")
      t.addSpacePrefix = in.integer(type) != 0;
    else if (key == "tokenizer.chat_template")
      out.chatTemplate = in.string();
    else
      in.skip(type);
  }
  if (!in.good())
    return Status::dataLoss(path + " ends in the middle of its metadata");
  return out;
}

std::string findModel(const std::string &file) {
  const char *folder = std::getenv("TENON_MODELS");
  const std::filesystem::path path = std::filesystem::path(folder ? folder : "build/models") / file;
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

} // namespace tenon::text
