//===- OptionValues.h - What options accept ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_OPTIONVALUES_H
#define TENON_TOOLS_TENON_OPTIONVALUES_H

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace tenon::tool {

/// An option that sets `value` to what the word given stands for. Help shows the words as "a|b|c";
/// any other word is an error that lists them. `value` must live as long as `command`.
template <typename T>
CLI::Option *addChoice(CLI::App &command, const std::string &name, T &value,
                       const std::vector<std::pair<std::string, T>> &words,
                       const std::string &description) {
  std::string shown;
  for (const auto &[word, meaning] : words)
    shown += (shown.empty() ? "" : "|") + word;
  const auto read = [&value, name, words, shown](const std::string &text) {
    for (const auto &[word, meaning] : words)
      if (word == text) {
        value = meaning;
        return;
      }
    throw CLI::ValidationError(name, "'" + text + "' is none of " + shown);
  };
  return command.add_option_function<std::string>(name, read, description)->type_name(shown);
}

/// Checks a number from `least` to `most`, which "nan" is not (the parser's own range lets it
/// pass).
inline CLI::Validator between(double least, double most) {
  const std::string range = CLI::detail::to_string(least) + " to " + CLI::detail::to_string(most);
  const auto check = [=](std::string &text) {
    const double value = std::strtod(text.c_str(), nullptr);
    return value >= least && value <= most ? std::string()
                                           : "'" + text + "' is no number from " + range;
  };
  return CLI::Validator(check, range);
}

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_OPTIONVALUES_H
