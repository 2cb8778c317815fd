//===- ProcessTest.cpp - Grammars compiled behind a wall ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/ProcessMemory.h"
#include "runtime/base/Sanitizer.h"
#include "runtime/grammar/GrammarStore.h"
#include "test/grammar/TestVocabulary.h"

#include <cstdlib>
#include <future>

using namespace tenon;
using namespace tenon::grammar;

namespace {

class Processes : public testing::Test {
protected:
  void SetUp() override {
    if (!available())
      GTEST_SKIP() << "this build has no constrained output";
  }
  std::unique_ptr<CompileProcess> start(CompileProcess::Bounds bounds = {}) {
    auto process = CompileProcess::start(*v.tokenizer, v.stopTokens, v.size, bounds);
    EXPECT_TRUE(process.isOk()) << process.status().message();
    return std::move(*process);
  }
  const TestVocabulary v{smallSource()};
};

const Constraint kGood{Constraint::Kind::Regex, "a{2,5}b?"};
const Constraint kWrong{Constraint::Kind::Grammar, "root ::= ("};

TEST_F(Processes, compileAndRefuseAndGoOn) {
  const auto process = start();
  for (int round = 0; round < 3; ++round) {
    const auto made = process->compile(kGood);
    ASSERT_TRUE(made.isOk()) << made.status().message();
    EXPECT_TRUE(TokenGrammar::read(*made, v.vocabulary()).isOk());
    const auto refused = process->compile(kWrong);
    ASSERT_FALSE(refused.isOk());
    EXPECT_EQ(refused.status().code(), StatusCode::InvalidArgument);
  }
}

TEST_F(Processes, areReplacedAfterTheyMetABound) {
  // Past the checks of Constraint: choices in a row, each of which may be left out, whose
  // combinations the library writes out.
  std::string ebnf = "root ::= ";
  for (int i = 0; i < 400; ++i)
    ebnf += "([a-z]{1,400} | [b-y]{2,300})? ";
  const auto process = start({.milliseconds = 50, .bytes = size_t(256) << 20});
  for (int round = 0; round < 2; ++round) {
    const auto refused = process->compile({Constraint::Kind::Grammar, ebnf});
    ASSERT_FALSE(refused.isOk());
    EXPECT_EQ(refused.status().code(), StatusCode::InvalidArgument);
    EXPECT_NE(refused.status().message().find("too complex"), std::string::npos)
        << refused.status().message();
    EXPECT_TRUE(process->compile(kGood).isOk());
  }
}

class Stores : public Processes {
protected:
  /// Waits for the outcome.
  static GrammarStore::Outcome get(GrammarStore &store, const Constraint &constraint) {
    auto promise = std::make_shared<std::promise<GrammarStore::Outcome>>();
    auto outcome = promise->get_future();
    EXPECT_TRUE(store.request(
        constraint, [promise](GrammarStore::Outcome o) { promise->set_value(std::move(o)); }));
    return outcome.get();
  }
};

TEST_F(Stores, prepareInTheBackground) {
  GrammarStore store(start(), *v.tokenizer, v.stopTokens, v.size, {});
  store.prepare();
  EXPECT_TRUE(get(store, kGood).isOk()); // Waits for what came before it.
  EXPECT_TRUE(store.find({Constraint::Kind::JsonObject, {}}).has_value());
  store.prepare(); // Nothing is left to do.
  EXPECT_FALSE(get(store, kWrong).isOk());
  EXPECT_EQ(store.stats().compiled, 1u); // Those that were asked for.
}

TEST_F(Stores, endWhileTheyPrepare) {
  auto store = std::make_unique<GrammarStore>(start(), *v.tokenizer, v.stopTokens, v.size,
                                              GrammarStore::Options());
  store->prepare();
  store.reset();
}

TEST_F(Stores, keepWhatWasMadeAndWhatWasRefused) {
  GrammarStore store(start(), *v.tokenizer, v.stopTokens, v.size, {});
  EXPECT_FALSE(store.find(kGood).has_value());
  EXPECT_TRUE(get(store, kGood).isOk());
  EXPECT_FALSE(get(store, kWrong).isOk());
  ASSERT_TRUE(store.find(kGood).has_value());
  EXPECT_TRUE(store.find(kGood)->isOk());
  ASSERT_TRUE(store.find(kWrong).has_value());
  EXPECT_FALSE(store.find(kWrong)->isOk());
  EXPECT_TRUE(get(store, kGood).isOk());
  const GrammarStore::Stats stats = store.stats();
  EXPECT_EQ(stats.compiled, 1u);
  EXPECT_EQ(stats.refused, 1u);
}

TEST_F(Stores, dropTheLeastRecentlyUsedWithinTheirBytes) {
  GrammarStore store(start(), *v.tokenizer, v.stopTokens, v.size,
                     {.cacheBytes = 40'000, .refusals = 3});
  const auto numbered = [](int i) {
    return Constraint{Constraint::Kind::Regex, "x" + std::to_string(i)};
  };
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(get(store, numbered(i)).isOk());
    EXPECT_LE(store.stats().bytes, 40'000u);
    ASSERT_TRUE(store.find(numbered(i)).has_value()) << "one must fit, or this test shows nothing";
    EXPECT_FALSE(get(store, {Constraint::Kind::Grammar, "root ::= (" + std::to_string(i)}).isOk());
  }
  EXPECT_FALSE(store.find(numbered(0)).has_value());
  EXPECT_FALSE(store.find({Constraint::Kind::Grammar, "root ::= (0"}).has_value());
  EXPECT_EQ(store.stats().compiled, 200u);
}

/// TENON_CONSTRAINED_LONG=1: a hundred thousand of them.
TEST_F(Stores, holdTheirMemoryThroughManyDistinctConstraints) {
  const char *wish = std::getenv("TENON_CONSTRAINED_LONG");
  const int count = wish && *wish == '1' ? 100'000 : 2'000;
  GrammarStore store(start(), *v.tokenizer, v.stopTokens, v.size, {.cacheBytes = size_t(4) << 20});
  uint64_t before = 0;
  for (int i = 0; i < count; ++i) {
    if (i == count / 4)
      before = residentBytes();
    ASSERT_TRUE(get(store, {Constraint::Kind::Regex, "v" + std::to_string(i) + "[ab]{1,3}"}).isOk())
        << i;
  }
  EXPECT_EQ(store.stats().compiled, uint64_t(count));
  EXPECT_LE(store.stats().bytes, uint64_t(4) << 20);
  if (!TENON_SANITIZED)
    EXPECT_LT(residentBytes(), before + (uint64_t(16) << 20));
}

TEST_F(Stores, endWhileSomebodyWaits) {
  auto store = std::make_unique<GrammarStore>(start(), *v.tokenizer, v.stopTokens, v.size,
                                              GrammarStore::Options());
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(store->request({Constraint::Kind::Regex, "y" + std::to_string(i)},
                               [](GrammarStore::Outcome) {}));
  store.reset(); // Returns.
}

} // namespace
