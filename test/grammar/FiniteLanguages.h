//===- FiniteLanguages.h - Constraints whose answers can be listed -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_GRAMMAR_FINITELANGUAGES_H
#define TENON_TEST_GRAMMAR_FINITELANGUAGES_H

#include "runtime/grammar/Constraint.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tenon::grammar {

/// A constraint, and every answer that fits it.
struct Language {
  const char *name;
  Constraint constraint;
  std::vector<std::string> words;
};

inline Constraint made(StatusOr<Constraint> constraint) {
  EXPECT_TRUE(constraint.isOk()) << constraint.status().message();
  return constraint ? *constraint : Constraint();
}

inline std::vector<Language> languages() {
  std::vector<Language> out;
  const std::vector<std::string> choices = {"yes",       "yes, please",        "no",
                                            " no",       "\u65e5\u672c\u8a9e", "\u00e9t\u00e9",
                                            "a\"b\\c\n", "\U0001f600!"};
  out.push_back({"choices", made(Constraint::ofChoices(choices, Limits())), choices});

  std::vector<std::string> numbers;
  for (const char *sign : {"", "-"})
    for (const char *digits : {"0", "7", "70", "77", "07", "00"})
      for (const char *unit : {"", " km", "\u20ac"})
        numbers.push_back(std::string(sign) + digits + unit);
  out.push_back(
      {"regex", made(Constraint::ofRegex("-?[07]{1,2}( km|\u20ac)?", Limits())), numbers});

  std::vector<std::string> objects;
  for (const char *ok : {"true", "false"})
    for (const char *kind : {"\"\u00e9\"", "\"a b\"", "null", "12"})
      for (const char *more : {"", ", \"n\": [1]", ", \"n\": [1, 1]"})
        objects.push_back(std::string("{\"ok\": ") + ok + ", \"kind\": " + kind + more + "}");
  out.push_back({"schema",
                 made(Constraint::ofSchema(
                     boost::json::parse(R"({"type":"object","properties":{"ok":{"type":"boolean"},
      "kind":{"enum":["\u00e9","a b",null,12]},"n":{"type":"array","items":{"const":1},"minItems":1,"maxItems":2}},
      "required":["ok","kind"]})"),
                     Limits())),
                 objects});

  out.push_back(
      {"grammar",
       made(Constraint::ofGrammar(
           "root ::= \"(\" inner \")\" | \"x\"\ninner ::= \"(\" \"x\" \")\" | \"x\" \"y\"?\n",
           Limits())),
       {"x", "(x)", "(xy)", "((x))"}});
  return out;
}

} // namespace tenon::grammar

#endif // TENON_TEST_GRAMMAR_FINITELANGUAGES_H
