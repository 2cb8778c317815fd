//===- TokenGrammar.cpp - A grammar over a vocabulary ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/TokenGrammar.h"

#include "runtime/grammar/XgrammarLog.h"

#include <xgrammar/xgrammar.h>

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <new>

namespace tenon::grammar {

/// Processor time that one mask may take. Grammars of real schemas take 5 to 500 µs; one that is ambiguous without
/// bound grows with every token, and its sequence is ended before it holds up the others for longer than this.
static constexpr uint64_t kMaskNanosAtMost = 100'000'000;

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

StatusOr<std::shared_ptr<const Vocabulary>>
Vocabulary::of(const text::Tokenizer &tokenizer, const std::vector<int32_t> &stopTokens,
               uint32_t size) {
  if (stopTokens.empty())
    return Status::unsupported("the model names no token that ends an answer, so a constrained one would not end");
  return guarded<std::shared_ptr<const Vocabulary>>("the vocabulary", [&] {
    // The library takes a token without text for one that no grammar allows.
    std::vector<std::string> texts(static_cast<size_t>(tokenizer.vocabularySize()));
    for (int32_t id = 0; id < tokenizer.vocabularySize(); ++id)
      if (!tokenizer.isSpecial(id))
        texts[size_t(id)] = tokenizer.tokenBytes(id);
    return std::make_shared<const Vocabulary>(std::make_unique<Tables>(Tables{xgrammar::TokenizerInfo(
        texts, xgrammar::VocabType::RAW, int(std::max<size_t>(size, texts.size())), stopTokens)}));
  });
}

struct TokenGrammar::Tables {
  xgrammar::CompiledGrammar grammar;
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
              std::make_unique<Tables>(Tables{std::move(*grammar)}));
        return Status::internal("the compiled grammar came back damaged");
      });
}

std::string TokenGrammar::serialize() const { return held->grammar.SerializeJSON(); }
size_t TokenGrammar::bytes() const { return held->grammar.MemorySizeBytes(); }

namespace {

uint64_t threadNanos() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

class GrammarMask : public sample::TokenMask {
public:
  GrammarMask(const xgrammar::CompiledGrammar &grammar, const std::vector<int32_t> &stopTokens)
      : matcher(grammar, stopTokens), size(grammar.GetTokenizerInfo().GetVocabSize()),
        allowed(size_t(xgrammar::GetBitmaskSize(size))), shape{int64_t(allowed.size())} {}

  std::span<const uint32_t> next() override {
    if (broken)
      return {};
    DLTensor tensor{allowed.data(), {kDLCPU, 0}, 1, xgrammar::GetBitmaskDLType(), &shape, nullptr, 0};
    bool restricts = true;
    const uint64_t began = threadNanos();
    try {
      restricts = matcher.FillNextTokenBitmask(&tensor);
    } catch (const std::exception &) {
      broken = true;
      return {};
    }
    if (threadNanos() - began > kMaskNanosAtMost)
      broken = true;
    if (!restricts)
      return {};
    if (size % 32)
      allowed.back() &= (1 << size % 32) - 1;
    // None at all: no token spells what the grammar wants next, for the vocabulary lacks it.
    broken |= std::all_of(allowed.begin(), allowed.end(), [](int32_t word) { return word == 0; });
    return {reinterpret_cast<const uint32_t *>(allowed.data()), allowed.size()};
  }

  void accept(int32_t token) override {
    if (broken)
      return;
    const uint64_t began = threadNanos();
    try {
      broken = !matcher.AcceptToken(token);
    } catch (const std::exception &) {
      broken = true;
    }
    if (threadNanos() - began > kMaskNanosAtMost)
      broken = true;
  }

  bool failed() const override { return broken; }

private:
  xgrammar::GrammarMatcher matcher;
  const int size;
  std::vector<int32_t> allowed; ///< One bit a token.
  int64_t shape;
  bool broken = false;
};

} // namespace

std::shared_ptr<sample::TokenMask>
TokenGrammar::newMask(const std::vector<int32_t> &stopTokens) const {
  return std::make_shared<GrammarMask>(held->grammar, stopTokens);
}

struct Compiler::State {
  std::shared_ptr<const Vocabulary> vocabulary;
  xgrammar::GrammarCompiler compiler;
};

Compiler::Compiler(std::shared_ptr<const Vocabulary> vocabulary, size_t cacheBytes)
    : state(std::make_unique<State>(
          State{vocabulary, xgrammar::GrammarCompiler(vocabulary->tables().info, /*max_threads=*/1,
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
        auto grammar = std::make_shared<const TokenGrammar>(std::make_unique<TokenGrammar::Tables>(
            TokenGrammar::Tables{build(state->compiler, constraint)}));
        if (const std::string warning = takeWarning(); !warning.empty())
          return Status::invalidArgument(
              fmt::format("{} cannot be promised: {}", name, warning));
        return grammar;
      });
}

} // namespace tenon::grammar
