//===- Auth.h - Who may -----------------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_AUTH_H
#define TENON_RUNTIME_SERVER_AUTH_H

#include "runtime/base/Status.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::server {

/// Whether `header`, an Authorization header's value, carries one of `keys`: "Bearer KEY", or
/// "Basic" with KEY as password (for browsers). Every key is compared whole, so the time taken
/// tells nothing of where a guess goes wrong.
bool isAuthorized(std::string_view header, const std::vector<std::string> &keys);
/// As isAuthorized(): which of them, as an index.
std::optional<size_t> authorizedKey(std::string_view header, const std::vector<std::string> &keys);

/// Equal bytes? Takes a time that depends on the length of `given` alone.
bool equalInConstantTime(std::string_view given, std::string_view secret);

/// Keys of a file, one a line; empty lines and lines that begin with '#' are left out. An error
/// names the line, never a key.
StatusOr<std::vector<std::string>> readKeyFile(const std::string &path);

/// InvalidArgument unless `key` can be sent in a header: 8 to 512 visible ASCII characters.
Status checkKey(std::string_view key);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_AUTH_H
