//===- StopStrings.h - Ends an answer at given words ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_STOPSTRINGS_H
#define TENON_RUNTIME_SERVER_STOPSTRINGS_H

#include <string>
#include <string_view>
#include <vector>

namespace tenon::server {

/// Watches text that arrives in pieces for the first of several strings, wherever the pieces are
/// cut. Text that may be the beginning of one is held back until it is known.
class StopStrings {
public:
  StopStrings() = default;
  /// None of `strings` is empty.
  explicit StopStrings(std::vector<std::string> strings) : strings(std::move(strings)) {}

  /// Takes `piece` and appends to `out` what surely belongs to the answer. Returns whether a string
  /// was found: the text before it has been appended, and nothing more will be.
  bool push(std::string_view piece, std::string &out);

  /// The answer ends for another reason: appends what is held back.
  void finish(std::string &out);

  bool empty() const { return strings.empty(); }

private:
  std::vector<std::string> strings;
  std::string held;
  bool found = false;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_STOPSTRINGS_H
