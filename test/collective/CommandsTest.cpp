//===- CommandsTest.cpp - What rank 0 tells the others, true and false ----===//
// SPDX-License-Identifier: Apache-2.0
//
// Part of the tests that mpirun starts (MpiTest.cpp): rank 0 sends words as they stand, the others
// read them as a process that runs chips does.
//
#include "runtime/executor/Commands.h"
#include "test/collective/JoinedCluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace tenon;
using namespace tenon::collective;
using namespace tenon::executor;
using namespace tenon::test;

namespace {

using Words = std::vector<uint32_t>;

Capacity smallCapacity() {
  Capacity c;
  c.stepTokens = 32;
  c.sequences = 4;
  c.logitRows = 4;
  c.context = 64;
  c.kvBlocks = 16;
  c.blockTableStride = 4;
  return c;
}

/// Two sequences of 3 and 1 tokens with 2 and 1 blocks.
Words soundStep() {
  return {uint32_t(Command::Step), 2, 3, 5, 2, 1, 0, 1, 9, 1, 1, 1, 11, 12, 13, 0, 1, 21, 2};
}

Status readPrepareOf(CommandReceiver &receiver) {
  Capacity capacity;
  bool timeLaunches = false, trace = false;
  uint32_t microBatchRows = 0;
  return receiver.readPrepare(capacity, timeLaunches, trace, microBatchRows);
}

/// What each rank but 0 makes of the messages that rank 0 sends it.
class CommandsTest : public testing::Test {
protected:
  void SetUp() override {
    receiver = std::make_unique<CommandReceiver>(cluster());
    if (cluster().rank() == 0) {
      ASSERT_TRUE(sender.prepare(smallCapacity(), false, false, 0).isOk());
    } else {
      ASSERT_EQ(*receiver->next(), Command::Prepare);
      ASSERT_TRUE(readPrepareOf(*receiver).isOk()); // Makes room for steps of the capacity.
    }
  }

  /// Sends `message`; on the other ranks, whether it was understood. Rank 0 says `expected`.
  Status tell(const Words &message) {
    MessageBatch batch(cluster(), cluster().size());
    for (uint32_t r = 1; cluster().rank() == 0 && r < cluster().size(); ++r)
      batch.send(r, Tag::Command, message.data(), message.size() * sizeof(uint32_t));
    if (cluster().rank() == 0)
      return batch.wait();
    auto command = receiver->next();
    if (!command)
      return command.status();
    if (*command == Command::Prepare)
      return readPrepareOf(*receiver);
    return *command == Command::Step ? receiver->readStep(rows) : Status::ok();
  }
  void expectRefused(const Words &message) {
    const Status status = tell(message);
    if (cluster().rank() == 0)
      EXPECT_TRUE(status.isOk()) << status.message();
    else
      EXPECT_EQ(status.code(), StatusCode::DataLoss) << testing::PrintToString(message);
  }

  CommandSender sender{cluster()};
  std::unique_ptr<CommandReceiver> receiver;
  std::vector<StepRows> rows;
};

TEST_F(CommandsTest, readsAStepAsItWasSent) {
  const int32_t tokens[] = {11, 12, 13, 21}, blocks[] = {0, 1, 2};
  if (cluster().rank() == 0) {
    StepRows first, second;
    first.tokens = {tokens, 3};
    first.firstPosition = 5;
    first.blocks = {blocks, 2};
    first.logitRows = 1;
    second.tokens = {tokens + 3, 1};
    second.firstPosition = 9;
    second.blocks = {blocks + 2, 1};
    second.logitRows = 1;
    second.keepsHidden = true;
    const StepRows both[] = {first, second};
    ASSERT_TRUE(sender.step(both).isOk());
    return;
  }
  ASSERT_EQ(*receiver->next(), Command::Step);
  ASSERT_TRUE(receiver->readStep(rows).isOk());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(rows[0].tokens, std::span(tokens, 3)));
  EXPECT_TRUE(std::ranges::equal(rows[0].blocks, std::span(blocks, 2)));
  EXPECT_EQ(rows[1].tokens[0], 21);
  EXPECT_EQ(rows[1].blocks[0], 2);
  EXPECT_EQ(rows[1].firstPosition, 9u);
  EXPECT_FALSE(rows[0].keepsHidden);
  EXPECT_TRUE(rows[1].keepsHidden);
}

TEST_F(CommandsTest, refusesCommandsThatItDoesNotKnow) {
  expectRefused({});
  expectRefused({0});
  expectRefused({99});
  expectRefused({UINT32_MAX, 1, 2, 3});
}

TEST_F(CommandsTest, refusesStepsThatAreCutOffOrTooLong) {
  const Words sound = soundStep();
  EXPECT_TRUE(tell(sound).isOk());
  for (size_t length = 1; length < sound.size(); ++length)
    expectRefused(Words(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(length)));
  Words longer = sound;
  longer.push_back(7);
  expectRefused(longer);
}

TEST_F(CommandsTest, refusesCountsThatTheMessageDoesNotHold) {
  // Number of sequences; tokens and blocks of either: each far too large, or so that the sum wraps.
  for (const size_t at : {size_t(1), size_t(2), size_t(4), size_t(7), size_t(9)})
    for (const uint32_t lie : {0x40000000u, 0x7fffffffu, 0x80000000u, UINT32_MAX - 3, UINT32_MAX}) {
      Words message = soundStep();
      message[at] = lie;
      expectRefused(message);
    }
}

TEST_F(CommandsTest, refusesLimitsThatNoEngineHas) {
  // Tokens, sequences, rows with logits, context, blocks, entries of a block table.
  const Words sound = {uint32_t(Command::Prepare), 32, 4, 4, 64, 16, 4, 0, 0, 0, 2};
  for (size_t at = 1; at <= 5; ++at) {
    Words message = sound;
    message[at] = 0;
    expectRefused(message);
    message[at] = UINT32_MAX;
    expectRefused(message);
  }
  for (const uint32_t stride : {0u, 3u, 5u, UINT32_MAX}) { // 64 positions are 4 blocks.
    Words message = sound;
    message[6] = stride;
    expectRefused(message);
  }
  // Each is possible; a command for all together would be larger than a message can be.
  expectRefused({uint32_t(Command::Prepare), 1 << 16, 1 << 16, 1 << 16, 1 << 24, 1 << 20, 1 << 20,
                 0, 0, 0, 1});
  for (const uint32_t steps : {0u, 1u << 16, UINT32_MAX}) { // Under way.
    Words message = sound;
    message[10] = steps;
    expectRefused(message);
  }
  for (size_t length = 1; length < sound.size(); ++length)
    expectRefused(Words(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(length)));
}

TEST_F(CommandsTest, readsNoFurtherThanTheMessageWhateverItSays) {
  std::minstd_rand random(7); // The same messages on every rank.
  for (int i = 0; i < 2000; ++i) {
    Words message(1 + random() % 40);
    for (uint32_t &word : message)
      word = random() % 8 ? random() % 6 : random();
    message[0] = uint32_t(Command::Step);
    const Status status = tell(message);
    if (cluster().rank() == 0 || !status.isOk())
      continue;
    size_t words = 2;
    for (const StepRows &r : rows)
      words += 5 + r.tokens.size() + r.blocks.size();
    EXPECT_EQ(words, message.size());
  }
}

} // namespace
