//===- TokenGrammar.cpp - A grammar over a vocabulary ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/TokenGrammar.h"

#include "runtime/grammar/GrammarMask.h"
#include "runtime/grammar/XgrammarLog.h"

#include <xgrammar/xgrammar.h>

#include <fmt/core.h>

#include <algorithm>
#include <new>

namespace tenon::grammar {

bool available() { return true; }

/// Runs `body`; what the library throws becomes an InvalidArgument that begins with `what`.
template <typename T, typename Body> static StatusOr<T> guarded(const char *what, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return Status::resourceExhausted(fmt::format("{} needs more memory than it may have", what));
  } catch (const std::exception &e) {
    return Status::invalidArgument(fmt::format("{} cannot be used: {}", what, e.what()));
  }
}

struct Vocabulary::Tables {
  xgrammar::TokenizerInfo info;
};
Vocabulary::Vocabulary(std::unique_ptr<Tables> tables) : held(std::move(tables)) {}
Vocabulary::~Vocabulary() = default;

StatusOr<std::shared_ptr<const Vocabulary>> Vocabulary::of(const text::Tokenizer &tokenizer,
                                                           const std::vector<int32_t> &stopTokens,
                                                           uint32_t size) {
  if (stopTokens.empty())
    return Status::unsupported(
        "the model names no token that ends an answer, so a constrained one would not end");
  return guarded<std::shared_ptr<const Vocabulary>>("the vocabulary", [&] {
    // The library takes a token without text for one that no grammar allows.
    std::vector<std::string> texts(static_cast<size_t>(tokenizer.vocabularySize()));
    for (int32_t id = 0; id < tokenizer.vocabularySize(); ++id)
      if (!tokenizer.isSpecial(id))
        texts[size_t(id)] = tokenizer.tokenBytes(id);
    return std::make_shared<const Vocabulary>(std::make_unique<Tables>(
        Tables{xgrammar::TokenizerInfo(texts, xgrammar::VocabType::RAW,
                                       int(std::max<size_t>(size, texts.size())), stopTokens)}));
  });
}

struct TokenGrammar::Tables {
  explicit Tables(xgrammar::CompiledGrammar compiled)
      : grammar(std::move(compiled)), ends(std::make_shared<ShortestEnds>(grammar.GetGrammar())) {}
  xgrammar::CompiledGrammar grammar;
  std::shared_ptr<const ShortestEnds> ends;
};
TokenGrammar::TokenGrammar(std::unique_ptr<Tables> tables) : held(std::move(tables)) {}
TokenGrammar::~TokenGrammar() = default;

StatusOr<std::shared_ptr<const TokenGrammar>>
TokenGrammar::read(const std::string &serialized,
                   const std::shared_ptr<const Vocabulary> &vocabulary) {
  return guarded<std::shared_ptr<const TokenGrammar>>(
      "the compiled grammar", [&]() -> StatusOr<std::shared_ptr<const TokenGrammar>> {
        auto read =
            xgrammar::CompiledGrammar::DeserializeJSON(serialized, vocabulary->tables().info);
        if (auto *grammar = std::get_if<xgrammar::CompiledGrammar>(&read))
          return std::make_shared<const TokenGrammar>(
              std::make_unique<Tables>(std::move(*grammar)));
        return Status::internal("the compiled grammar came back damaged");
      });
}

std::string TokenGrammar::serialize() const { return held->grammar.SerializeJSON(); }
size_t TokenGrammar::bytes() const { return held->grammar.MemorySizeBytes() + held->ends->bytes(); }

std::shared_ptr<sample::TokenMask> TokenGrammar::newMask(const std::vector<int32_t> &stopTokens,
                                                         uint32_t tokens) const {
  return std::make_shared<GrammarMask>(held->grammar, held->ends, stopTokens, tokens);
}

struct Compiler::State {
  std::shared_ptr<const Vocabulary> vocabulary;
  xgrammar::GrammarCompiler compiler;
};

Compiler::Compiler(std::shared_ptr<const Vocabulary> vocabulary, size_t cacheBytes)
    : state(std::make_unique<State>(State{
          vocabulary, xgrammar::GrammarCompiler(vocabulary->tables().info, /*max_threads=*/1,
                                                /*cache_enabled=*/true, int64_t(cacheBytes))})) {}
Compiler::~Compiler() = default;

static xgrammar::CompiledGrammar build(xgrammar::GrammarCompiler &compiler,
                                       const Constraint &constraint) {
  // One spelling of white space: a small model may otherwise write spaces without end.
  constexpr bool anyWhitespace = false;
  switch (constraint.kind) {
  case Constraint::Kind::JsonObject:
    return compiler.CompileJSONSchema(R"({"type":"object"})", anyWhitespace, std::nullopt,
                                      std::nullopt, /*strict_mode=*/false);
  case Constraint::Kind::JsonSchema:
    return compiler.CompileJSONSchema(constraint.text, anyWhitespace);
  case Constraint::Kind::Regex:
    return compiler.CompileRegex(constraint.text);
  case Constraint::Kind::Grammar:
    return compiler.CompileGrammar(constraint.text);
  case Constraint::Kind::Structure:
    return compiler.CompileStructuralTag(constraint.text);
  }
  throw std::runtime_error("unknown kind");
}

static const char *nameOf(Constraint::Kind kind) {
  switch (kind) {
  case Constraint::Kind::JsonObject:
  case Constraint::Kind::JsonSchema:
    return "the JSON schema";
  case Constraint::Kind::Regex:
    return "the regular expression";
  case Constraint::Kind::Grammar:
    return "the grammar";
  case Constraint::Kind::Structure:
    return "the tools' schemas";
  }
  return "the constraint";
}

StatusOr<std::shared_ptr<const TokenGrammar>> Compiler::compile(const Constraint &constraint) {
  const char *name = nameOf(constraint.kind);
  return guarded<std::shared_ptr<const TokenGrammar>>(
      name, [&]() -> StatusOr<std::shared_ptr<const TokenGrammar>> {
        takeWarning();
        auto grammar = std::make_shared<const TokenGrammar>(
            std::make_unique<TokenGrammar::Tables>(build(state->compiler, constraint)));
        if (const std::string warning = takeWarning(); !warning.empty())
          return Status::invalidArgument(fmt::format("{} cannot be promised: {}", name, warning));
        return grammar;
      });
}

} // namespace tenon::grammar
