//===- MicroBatchTest.cpp - Stages that work at the same time -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"
#include "runtime/executor/MicroBatches.h"
#include "runtime/generate/Generator.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <unistd.h>

using namespace tenon;
using namespace tenon::test;

namespace {

std::unique_ptr<engine::Engine> pipelineEngine(TinyEngine tiny) {
  const std::string path = testing::TempDir() + "/pipeline-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, tiny.write());
  auto opened = engine::Engine::open(path, {});
  EXPECT_TRUE(opened.isOk()) << opened.status().message();
  unlink(path.c_str()); // It stays mapped.
  return opened ? std::move(*opened) : nullptr;
}

struct Shape {
  uint32_t stepTokens = 64, sequences = 8, logitRows = 8, workers = 2, microBatchRows = 0;
  std::optional<uint32_t> stepsInFlight;
  bool trace = false;
};

std::unique_ptr<executor::Executor> pipelineExecutor(const engine::Engine &e, const Shape &shape) {
  executor::CapacityRequest r;
  r.stepTokens = shape.stepTokens;
  r.sequences = shape.sequences;
  r.logitRows = shape.logitRows;
  r.workers = shape.workers;
  r.stepsInFlight = shape.stepsInFlight;
  auto capacity = executor::chooseCapacity(e.plan(), r);
  EXPECT_TRUE(capacity.isOk()) << capacity.status().message();
  executor::ExecutorOptions options;
  options.pin = false;
  options.trace = shape.trace;
  options.microBatchRows = shape.microBatchRows;
  auto made = executor::Executor::create(e, *capacity, options);
  EXPECT_TRUE(made.isOk()) << made.status().message();
  return std::move(*made);
}

std::vector<int32_t> promptOf(uint32_t length, int32_t salt) {
  std::vector<int32_t> prompt(length);
  for (uint32_t i = 0; i < length; ++i)
    prompt[i] = int32_t((i * 7 + uint32_t(salt) * 5 + 1) % kTinyVocabulary);
  return prompt;
}

/// The token that follows the first `count` of `tokens`.
int32_t nextOf(const std::vector<int32_t> &tokens, size_t count) {
  return std::accumulate(tokens.begin(), tokens.begin() + ptrdiff_t(count), 0) %
         int32_t(kTinyVocabulary);
}

std::vector<int32_t> answerTo(std::vector<int32_t> tokens, size_t count) {
  const size_t prompt = tokens.size();
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(nextOf(tokens, tokens.size()));
  return {tokens.begin() + ptrdiff_t(prompt), tokens.end()};
}

/// A prompt with blocks of its own.
struct Text {
  std::vector<int32_t> tokens, blocks;
  Text(uint32_t length, int32_t salt, int32_t firstBlock) : tokens(promptOf(length, salt)) {
    for (uint32_t b = 0; b <= length / 16; ++b)
      blocks.push_back(firstBlock + int32_t(b));
  }
  executor::StepRows rows(uint32_t first, uint32_t count, uint32_t logits) const {
    return {std::span(tokens).subspan(first, count), first, blocks, logits};
  }
};

class Collect : public generate::Listener {
public:
  void onToken(const generate::TokenEvent &event) override {
    answers[event.request].push_back(event.token);
  }
  std::map<uint64_t, std::vector<int32_t>> answers;
};

TEST(MicroBatches, areWholeStepsWhereCuttingDoesNotPay) {
  for (uint32_t rows : {1u, 4u, 15u, 512u, 4096u})
    EXPECT_EQ(executor::microBatchRows(rows, 1), rows);
  for (uint32_t stages : {2u, 3u, 8u})
    for (uint32_t rows = 1; rows < 2 * executor::kRowsReadTogether; ++rows)
      EXPECT_EQ(executor::microBatchRows(rows, stages), rows)
          << rows << " rows, " << stages << " stages";
}

TEST(MicroBatches, keepStagesBusyAndStayWithinTheirNumber) {
  EXPECT_EQ(executor::microBatchRows(16, 2), 8u);
  EXPECT_EQ(executor::microBatchRows(512, 2), 48u);
  EXPECT_LT(executor::microBatchRows(512, 4), 48u); // More stages wait at the ends: shorter pieces.
  for (uint32_t stages : {2u, 3u, 4u, 16u})
    for (uint32_t rows = 1; rows <= 8192; rows += 7) {
      const uint32_t each = executor::microBatchRows(rows, stages);
      const uint32_t pieces = (rows + each - 1) / each;
      ASSERT_GE(each, std::min(rows, executor::kRowsReadTogether));
      ASSERT_LE(pieces, executor::mostMicroBatches(rows, stages));
      ASSERT_LE(pieces, executor::kMostMicroBatches);
    }
}

/// Tables for steps of 128 rows, and their memory.
struct SomeTables {
  explicit SomeTables(bool keepsRows)
      : memory(executor::StepTables::bytes(capacity()) + 64),
        tables(capacity(), kTinyVocabulary, 64, keepsRows,
               memory.data() + (64 - uintptr_t(memory.data()) % 64) % 64) {}

  static executor::Capacity capacity() {
    executor::Capacity c;
    c.stepTokens = 128, c.sequences = 4, c.logitRows = 128, c.context = 256, c.kvBlocks = 32,
    c.blockTableStride = 16;
    return c;
  }

  std::vector<std::byte> memory;
  executor::StepTables tables;
};

TEST(StepTables, countRowsFromTheMicroBatchAndCoverEachOnce) {
  SomeTables some(/*keepsRows=*/false);
  executor::StepTables &tables = some.tables;
  const Text a(1, 1, 0), b(70, 2, 4), d(40, 3, 12);
  const executor::StepRows rows[] = {a.rows(0, 1, 1), b.rows(10, 60, 3), d.rows(0, 40, 40)};
  for (uint32_t each : {1u, 8u, 33u, 64u, 101u, 500u}) {
    ASSERT_TRUE(tables.fill(rows, each));
    uint32_t row = 0, logit = 0;
    for (const executor::MicroBatch &micro : tables.microBatches()) {
      EXPECT_EQ(micro.firstRow, row);
      EXPECT_EQ(micro.firstLogit, logit);
      if (&micro !=
          &tables.microBatches().back()) // The last of the most there may be has what is left.
        EXPECT_EQ(micro.view.numTokens, each);
      uint32_t covered = 0;
      for (uint32_t t = 0; t < micro.view.numAttentionTiles; ++t) {
        const cpu::AttentionTile tile = micro.view.attentionTiles[t];
        EXPECT_EQ(tile.firstRow, covered);
        EXPECT_LE(tile.rowCount, cpu::kAttentionTileRows);
        covered += tile.rowCount;
        for (uint32_t i = 1; i < tile.rowCount; ++i) // One sequence, consecutive positions.
          EXPECT_EQ(micro.view.positions[tile.firstRow + i],
                    micro.view.positions[tile.firstRow] + int32_t(i));
      }
      EXPECT_EQ(covered, micro.view.numTokens);
      for (uint32_t i = 0; i < micro.view.numLogitRows; ++i)
        EXPECT_LT(uint32_t(micro.view.logitRows[i]), micro.view.numTokens);
      row += micro.view.numTokens;
      logit += micro.view.numLogitRows;
    }
    EXPECT_EQ(row, 101u);
    EXPECT_EQ(logit, 44u);
    EXPECT_EQ(tables.logitRows(), 44u);
  }
}

TEST(StepTables, keepRowsWithLogitsAndCountTheseAmongThem) {
  SomeTables some(/*keepsRows=*/true);
  executor::StepTables &tables = some.tables;
  const Text a(1, 1, 0), b(70, 2, 4), d(40, 3, 12);
  for (const bool wanted : {false, true})
    for (uint32_t each : {1u, 8u, 33u, 64u, 101u, 500u}) {
      executor::StepRows rows[] = {a.rows(0, 1, 1), b.rows(10, 60, 3), d.rows(0, 40, 0)};
      rows[1].keepsHidden = wanted; // Then all of the step are kept.
      ASSERT_TRUE(tables.fill(rows, each));
      std::vector<uint32_t> kept, logits;
      uint32_t row = 0;
      for (const executor::MicroBatch &micro : tables.microBatches()) {
        ASSERT_LE(micro.view.numLogitRows, micro.numKept);
        for (uint32_t i = 0; i < micro.numKept; ++i)
          kept.push_back(row + uint32_t(micro.keptRows[i]));
        for (uint32_t i = 0; i < micro.view.numLogitRows; ++i) {
          ASSERT_LT(uint32_t(micro.view.logitRows[i]), micro.numKept);
          logits.push_back(row + uint32_t(micro.keptRows[micro.view.logitRows[i]]));
        }
        row += micro.view.numTokens;
      }
      EXPECT_EQ(logits, (std::vector<uint32_t>{0, 58, 59, 60}));
      if (!wanted) {
        EXPECT_EQ(kept, logits);
        continue;
      }
      ASSERT_EQ(kept.size(), 101u);
      for (uint32_t i = 0; i < 101; ++i)
        EXPECT_EQ(kept[i], i);
    }
}

TEST(Pipeline, computesTheSameInMicroBatchesOfAnySize) {
  for (uint32_t stages : {2u, 3u, 4u}) {
    const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, stages));
    ASSERT_TRUE(engine);
    for (uint32_t each : {1u, 3u, 7u, 16u, 0u, UINT32_MAX})
      for (uint32_t workers : {stages, 2 * stages + 1}) {
        Shape shape;
        shape.workers = workers;
        shape.microBatchRows = each;
        shape.logitRows = 64;
        const auto executor = pipelineExecutor(*engine, shape);
        const Text a(1, 1, 0), b(40, 2, 1), d(23, 3, 4);
        const executor::StepRows rows[] = {a.rows(0, 1, 1), b.rows(0, 40, 40), d.rows(0, 23, 1)};
        ASSERT_TRUE(executor->run(rows));
        EXPECT_EQ(sample::argmax(executor->logits(0)), nextOf(a.tokens, 1));
        for (uint32_t i = 0; i < 40; ++i)
          ASSERT_EQ(sample::argmax(executor->logits(1 + i)), nextOf(b.tokens, i + 1))
              << "row " << i << ", " << stages << " stages, micro-batches of " << each;
        EXPECT_EQ(sample::argmax(executor->logits(41)), nextOf(d.tokens, 23));
        if (each)
          EXPECT_EQ(executor->microBatches().size(), (64 + uint64_t(each) - 1) / each);
      }
  }
}

TEST(Pipeline, worksOnOneMicroBatchInAStageAndTheNextInTheStageBefore) {
  const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, 3));
  Shape shape;
  shape.workers = 3;
  shape.microBatchRows = 4;
  shape.trace = true;
  const auto executor = pipelineExecutor(*engine, shape);
  const Text text(64, 1, 0);
  const executor::StepRows rows[] = {text.rows(0, 64, 1)};
  ASSERT_TRUE(executor->run(rows));
  // When a stage began and ended each micro-batch. The first launch of all stages but the first is
  // a receive.
  std::vector<std::vector<uint64_t>> began(3), ended(3);
  for (uint32_t chip = 0; chip < 3; ++chip)
    for (const executor::TraceEvent &event : executor->trace(chip, 0)) {
      if (event.did == executor::TraceEvent::Did::Barrier)
        continue;
      if (event.micro == began[chip].size()) {
        began[chip].push_back(event.began);
        ended[chip].push_back(0);
      }
      ended[chip][event.micro] = event.ended;
    }
  for (uint32_t chip = 0; chip < 3; ++chip) {
    ASSERT_EQ(ended[chip].size(), 16u);
    for (uint32_t m = 1; m < 16; ++m)
      EXPECT_GE(began[chip][m], ended[chip][m - 1]) << "a stage does one after the other";
    for (uint32_t m = 0; chip > 0 && m < 16; ++m)
      EXPECT_GT(ended[chip][m], began[chip - 1][m]) << "no stage is before the one that feeds it";
  }
  // What makes it a pipeline: the first stage has begun the last micro-batch before the last stage
  // ends the first but four (a send waits for the receiver alone).
  EXPECT_LT(began[0][4], ended[2][4]);
  EXPECT_LT(ended[2][0], ended[0][15]);
}

TEST(Pipeline, hasSeveralStepsUnderWayWithLogitsOfTheirOwn) {
  for (uint32_t stages : {2u, 3u}) {
    const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, stages));
    Shape shape;
    shape.workers = stages;
    const auto executor = pipelineExecutor(*engine, shape);
    ASSERT_EQ(executor->maxInFlight(), stages);
    std::vector<Text> texts;
    for (int32_t s = 0; s < 8; ++s)
      texts.emplace_back(20 + uint32_t(s), s, 2 * s);
    // Two texts a step, and a further chunk of each in the next.
    uint32_t next = 0, awaited = 0;
    const auto begin = [&] {
      const uint32_t s = next / 2 * 2 % 8, half = next % 2;
      ++next;
      const uint32_t first = half ? 9 : 0;
      const auto rows = [&](const Text &t) {
        return t.rows(first, half ? uint32_t(t.tokens.size()) - 9 : 9, 1);
      };
      const executor::StepRows step[] = {rows(texts[s]), rows(texts[s + 1])};
      ASSERT_TRUE(executor->start(step));
    };
    while (awaited < 8) {
      while (next < 8 && executor->inFlight() < executor->maxInFlight())
        begin();
      ASSERT_TRUE(executor->finish());
      const uint32_t s = awaited / 2 * 2 % 8, half = awaited % 2;
      ++awaited;
      for (uint32_t i = 0; i < 2; ++i) {
        const Text &t = texts[s + i];
        EXPECT_EQ(sample::argmax(executor->logits(i)),
                  nextOf(t.tokens, half ? t.tokens.size() : 9));
      }
    }
    EXPECT_EQ(executor->finish().code(), StatusCode::Internal);
  }
}

TEST(Pipeline, refusesStepsBeyondThoseThatMayBeUnderWay) {
  const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, 2));
  Shape shape;
  shape.logitRows = 4;
  const auto executor = pipelineExecutor(*engine, shape);
  const Text a(8, 1, 0), b(8, 2, 1), d(8, 3, 2);
  const executor::StepRows first[] = {a.rows(0, 8, 3)}, second[] = {b.rows(0, 8, 2)},
                           third[] = {d.rows(0, 8, 1)};
  ASSERT_TRUE(executor->start(first));
  EXPECT_EQ(executor->freeLogitRows(), 1u);
  EXPECT_NE(executor->start(second).message().find("steps under way leave 1"), std::string::npos);
  ASSERT_TRUE(executor->start(third));
  EXPECT_NE(executor->start(third).message().find("2 steps are under way already"),
            std::string::npos);
  ASSERT_TRUE(executor->finish());
  EXPECT_EQ(sample::argmax(executor->logits(2)), nextOf(a.tokens, 8));
  EXPECT_EQ(executor->freeLogitRows(), 3u);
  ASSERT_TRUE(executor->start(second)); // In front of the third's.
  ASSERT_TRUE(executor->finish());
  EXPECT_EQ(sample::argmax(executor->logits(0)), nextOf(d.tokens, 8));
  ASSERT_TRUE(executor->finish());
  EXPECT_EQ(sample::argmax(executor->logits(1)), nextOf(b.tokens, 8));
}

TEST(Pipeline, runsAPlanWhoseLogitsShareBytesOneStepAtATime) {
  TinyEngine tiny = TinyEngine::makePipeline(TENON_TINY_KERNELS, 2);
  for (engine::ChipPlan &chip : tiny.plan.chips) {
    // x is dead when logits are written: a step alone may put them there.
    chip.buffers[3].offset = {0, 0, 0, 0};
    chip.buffers[1].offset = {0, 0, kTinyVocabulary * 4, 0};
    chip.buffers[1].offset.perToken = 64;
    chip.buffers[2].offset = {0, 128, kTinyVocabulary * 4, 0};
  }
  const auto engine = pipelineEngine(tiny);
  ASSERT_TRUE(engine);
  Shape shape;
  shape.microBatchRows = 4;
  const auto executor = pipelineExecutor(*engine, shape);
  EXPECT_EQ(executor->maxInFlight(), 1u);
  const Text a(20, 1, 0);
  const executor::StepRows rows[] = {a.rows(0, 20, 8)};
  ASSERT_TRUE(executor->run(rows));
  EXPECT_EQ(executor->microBatches().size(), 1u);
  for (uint32_t i = 0; i < 8; ++i)
    EXPECT_EQ(sample::argmax(executor->logits(i)), nextOf(a.tokens, 13 + i));
}

TEST(Pipeline, endsInOrderWithStepsUnderWay) {
  const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, 3));
  for (int round = 0; round < 20; ++round) {
    Shape shape;
    shape.workers = 3;
    const auto executor = pipelineExecutor(*engine, shape);
    const Text a(8, 1, 0), b(8, 2, 1);
    const executor::StepRows first[] = {a.rows(0, 8, 1)}, second[] = {b.rows(0, 8, 1)};
    ASSERT_TRUE(executor->start(first));
    ASSERT_TRUE(executor->start(second));
  }
}

/// Sixteen requests with prompts and answers of different lengths.
void addSixteen(generate::Generator &generator) {
  for (int32_t s = 0; s < 16; ++s) {
    generate::Request r;
    r.prompt = promptOf(3 + uint32_t(s) * 3, s);
    r.maxNewTokens = 10 + uint32_t(s);
    ASSERT_TRUE(generator.add(std::move(r)).isOk());
  }
}

TEST(Pipeline, generatesTheSameForAnyStagesAndMicroBatches) {
  for (uint32_t stages : {2u, 3u}) {
    const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, stages));
    for (uint32_t each : {0u, 2u, 5u})
      for (bool prefixTree : {false, true}) {
        Shape shape;
        shape.stepTokens = 24;
        shape.sequences = shape.logitRows = 16;
        shape.workers = stages;
        shape.microBatchRows = each;
        const auto executor = pipelineExecutor(*engine, shape);
        generate::Generator generator(*executor, engine->plan(), prefixTree);
        addSixteen(generator);
        Collect collect;
        int overlapping = 0;
        for (int steps = 0; generator.hasWork(); ++steps) {
          ASSERT_LT(steps, 1000) << "no progress";
          ASSERT_TRUE(generator.step(collect));
          ASSERT_TRUE(generator.state().checkIntegrity());
          overlapping += executor->inFlight() > 0;
        }
        EXPECT_GT(overlapping, 10);
        for (int32_t s = 0; s < 16; ++s)
          EXPECT_EQ(collect.answers[uint64_t(s)],
                    answerTo(promptOf(3 + uint32_t(s) * 3, s), 10 + uint32_t(s)));
      }
  }
}

TEST(Pipeline, preemptsNobodyWhoseRowsAreUnderWay) {
  const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, 2));
  executor::CapacityRequest r;
  r.stepTokens = 32;
  r.sequences = r.logitRows = 16;
  r.workers = 2;
  r.kvBytes = 20 * engine->plan().kv.bytesPerBlock; // All together grow to 16 times 4.
  const auto capacity = executor::chooseCapacity(engine->plan(), r);
  ASSERT_TRUE(capacity.isOk());
  auto executor = executor::Executor::create(*engine, *capacity, {.pin = false});
  ASSERT_TRUE(executor.isOk());
  generate::Generator generator(**executor, engine->plan());
  for (int32_t s = 0; s < 16; ++s) {
    generate::Request request;
    request.prompt = promptOf(14, s);
    request.maxNewTokens = 40;
    ASSERT_TRUE(generator.add(std::move(request)).isOk());
  }
  Collect collect;
  for (int steps = 0; generator.hasWork(); ++steps) {
    ASSERT_LT(steps, 5000) << "no progress";
    ASSERT_TRUE(generator.step(collect));
    ASSERT_TRUE(generator.state().checkIntegrity());
  }
  EXPECT_GT(generator.state().preemptions(), 0u);
  for (int32_t s = 0; s < 16; ++s)
    EXPECT_EQ(collect.answers[uint64_t(s)], answerTo(promptOf(14, s), 40));
}

TEST(Pipeline, cancelsRequestsWhoseRowsAreUnderWay) {
  const auto engine = pipelineEngine(TinyEngine::makePipeline(TENON_TINY_KERNELS, 2));
  Shape shape;
  shape.sequences = shape.logitRows = 16;
  const auto executor = pipelineExecutor(*engine, shape);
  generate::Generator generator(*executor, engine->plan());
  addSixteen(generator);
  Collect collect;
  int steps = 0;
  for (; steps < 1000 && (executor->inFlight() == 0 || collect.answers.size() < 16); ++steps)
    ASSERT_TRUE(generator.step(collect));
  ASSERT_GT(executor->inFlight(), 0u);
  const auto before = collect.answers;
  for (uint64_t odd = 1; odd < 16; odd += 2) { // Some of them in the step under way, some not.
    generator.cancel(odd);
    generator.cancel(odd);
    EXPECT_TRUE(generator.promptOf(odd).tokens.empty());
  }
  while (generator.hasWork())
    ASSERT_TRUE(generator.step(collect));
  for (uint64_t s = 0; s < 16; ++s)
    EXPECT_EQ(collect.answers[s],
              s % 2 ? before.at(s)
                    : answerTo(promptOf(3 + uint32_t(s) * 3, int32_t(s)), 10 + uint32_t(s)));
  EXPECT_EQ(generator.state().pool().freeBlocks(), generator.state().pool().size());
}

} // namespace
