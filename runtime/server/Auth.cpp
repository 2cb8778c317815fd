//===- Auth.cpp - Who may -------------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Auth.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>

namespace tenon::server {

bool equalInConstantTime(std::string_view given, std::string_view secret) {
  if (secret.empty())
    return false;
  size_t difference = given.size() ^ secret.size();
  for (size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  // The compiler may not leave the loop early once `difference` is known to be set.
  volatile size_t result = difference;
  return result == 0;
}

static std::optional<std::string> decodeBase64(std::string_view text) {
  while (text.ends_with('='))
    text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0, held = 0;
  for (const char c : text) {
    uint32_t value;
    if (c >= 'A' && c <= 'Z')
      value = uint32_t(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = uint32_t(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      value = uint32_t(c - '0') + 52;
    else if (c == '+' || c == '/')
      value = c == '+' ? 62 : 63;
    else
      return std::nullopt;
    bits = (bits << 6 | value) & 0xfffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xff);
    }
  }
  return out;
}

static bool startsWithWord(std::string_view header, std::string_view word) {
  return header.size() > word.size() && header[word.size()] == ' ' &&
         std::equal(word.begin(), word.end(), header.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool isAuthorized(std::string_view header, const std::vector<std::string> &keys) {
  return authorizedKey(header, keys).has_value();
}

std::optional<size_t> authorizedKey(std::string_view header, const std::vector<std::string> &keys) {
  std::string decoded;
  std::string_view given;
  if (startsWithWord(header, "bearer")) {
    given = header.substr(sizeof("bearer"));
  } else if (startsWithWord(header, "basic")) {
    auto pair = decodeBase64(header.substr(sizeof("basic")));
    const size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos)
      return std::nullopt;
    decoded = std::move(*pair);
    given = std::string_view(decoded).substr(colon + 1);
  }
  while (given.starts_with(' '))
    given.remove_prefix(1);
  std::optional<size_t> known;
  for (size_t i = 0; i < keys.size(); ++i)
    if (equalInConstantTime(given, keys[i]))
      known = i;
  return known;
}

Status checkKey(std::string_view key) {
  if (key.size() < 8 || key.size() > 512)
    return Status::invalidArgument("an API key has " + std::to_string(key.size()) +
                                   " characters; 8 to 512 are wanted");
  for (const char c : key)
    if (c <= ' ' || c > '~')
      return Status::invalidArgument("an API key has a character that is not visible ASCII");
  return Status::ok();
}

StatusOr<std::vector<std::string>> readKeyFile(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    return Status::notFound(path + ": cannot be read; --api-key-file wants a file with one key a "
                                   "line");
  std::vector<std::string> keys;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
      line.pop_back();
    if (line.empty() || line.front() == '#')
      continue;
    if (Status status = checkKey(line); !status)
      return Status::invalidArgument(path + ":" + std::to_string(number) + ": " + status.message());
    keys.push_back(line);
  }
  if (keys.empty())
    return Status::invalidArgument(path + ": it has no key; one a line is wanted");
  return keys;
}

} // namespace tenon::server
