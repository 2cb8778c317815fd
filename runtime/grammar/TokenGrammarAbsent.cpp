//===- TokenGrammarAbsent.cpp - A build without grammars ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/TokenGrammar.h"

namespace tenon::grammar {

bool available() { return false; }

static Status absent() {
  return Status::unsupported(
      "this build has no constrained output: xgrammar's sources were not there (tools/setup "
      "fetches them)");
}

struct Vocabulary::Tables {};
Vocabulary::Vocabulary(std::unique_ptr<Tables> tables) : held(std::move(tables)) {}
Vocabulary::~Vocabulary() = default;

StatusOr<std::shared_ptr<const Vocabulary>> Vocabulary::of(const text::Tokenizer &,
                                                           const std::vector<int32_t> &, uint32_t) {
  return absent();
}

struct TokenGrammar::Tables {};
TokenGrammar::TokenGrammar(std::unique_ptr<Tables> tables) : held(std::move(tables)) {}
TokenGrammar::~TokenGrammar() = default;

StatusOr<std::shared_ptr<const TokenGrammar>>
TokenGrammar::read(const std::string &, const std::shared_ptr<const Vocabulary> &) {
  return absent();
}
std::string TokenGrammar::serialize() const { return {}; }
size_t TokenGrammar::bytes() const { return 0; }
std::shared_ptr<sample::TokenMask> TokenGrammar::newMask(const std::vector<int32_t> &,
                                                         uint32_t) const {
  return nullptr;
}

struct Compiler::State {};
Compiler::Compiler(std::shared_ptr<const Vocabulary>, size_t) {}
Compiler::~Compiler() = default;
StatusOr<std::shared_ptr<const TokenGrammar>> Compiler::compile(const Constraint &) {
  return absent();
}

} // namespace tenon::grammar
