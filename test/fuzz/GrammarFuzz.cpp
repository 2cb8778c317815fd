//===- GrammarFuzz.cpp - Hostile schemas, patterns and calls --------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The first byte says what the rest is: a JSON (s)chema, a (r)egular expression, a (g)rammar, or an
// answer with (c)alls. Checking ends, within its budgets. What the library makes of the result is
// not fuzzed here: it runs in a process that may die (runtime/grammar/CompileProcess.h).
//
#include "runtime/grammar/Constraint.h"
#include "runtime/grammar/SchemaCheck.h"
#include "runtime/server/ToolCallReader.h"

#include <boost/json.hpp>

#include <cstdio>
#include <cstdlib>

using namespace tenon;
using grammar::Constraint;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

static void checkSchemaText(std::string_view text) {
  boost::system::error_code code;
  boost::json::parse_options options;
  options.max_depth = 96;
  const auto schema = boost::json::parse({text.data(), text.size()}, code, {}, options);
  if (code)
    return;
  const grammar::Limits limits;
  const auto checked = grammar::checkSchema(schema, limits);
  if (!checked) {
    require(checked.status().code() == StatusCode::InvalidArgument &&
                !checked.status().message().empty(),
            "a refusal without a reason");
    return;
  }
  // The result speaks the smaller language: no keyword is left that had to be rewritten.
  for (const char *gone : {"allOf", "oneOf", "const", "not", "if", "format", "definitions"})
    require(!checked->contains(gone), "a keyword that should be gone");
}

static void readCalls(std::string_view data) {
  using Reader = server::ToolCallReader;
  const size_t size = data.empty() ? 1 : 1 + uint8_t(data[0]) % 17;
  const std::string_view text = data.empty() ? data : data.substr(1);
  const auto read = [&](size_t step) {
    Reader reader;
    std::vector<Reader::Piece> pieces, joined;
    for (size_t i = 0; i < text.size(); i += step)
      reader.push(text.substr(i, step), pieces);
    reader.finish(pieces);
    for (Reader::Piece &p : pieces) // How text is cut may differ; what is said may not.
      if (!joined.empty() && joined.back().kind == p.kind && p.kind != Reader::Piece::Kind::Name)
        joined.back().text += p.text;
      else
        joined.push_back(std::move(p));
    return joined;
  };
  const auto whole = read(std::max<size_t>(text.size(), 1)), parts = read(size);
  require(whole.size() == parts.size(), "pieces say something else than the whole");
  for (size_t i = 0; i < whole.size(); ++i)
    require(whole[i].kind == parts[i].kind && whole[i].text == parts[i].text,
            "a piece differs from the whole");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const std::string_view rest(reinterpret_cast<const char *>(data) + 1, size - 1);
  const grammar::Limits limits;
  switch (data[0]) {
  case 's':
    checkSchemaText(rest);
    break;
  case 'r':
    (void)Constraint::ofRegex(std::string(rest), limits).isOk();
    break;
  case 'g':
    (void)Constraint::ofGrammar(std::string(rest), limits).isOk();
    break;
  case 'c':
    readCalls(rest);
    break;
  default:
    break;
  }
  return 0;
}
