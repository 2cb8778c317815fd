//===- Commands.cpp - What rank 0 tells the other processes ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Commands.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <fmt/core.h>

#include <cstdio>

namespace tenon::executor {

using collective::Cluster;
using collective::MessageBatch;
using collective::Tag;

namespace {
constexpr size_t kFewWords = 64;     // Every command but a step.
constexpr size_t kPrepareWords = 10; // After the command.
constexpr size_t kRowWords = 5;      // Of a sequence in a step.
} // namespace

Outcome Outcome::of(const Status &status) {
  Outcome o;
  o.code = static_cast<int32_t>(status.code());
  std::snprintf(o.text, sizeof(o.text), "%s", status.message().c_str());
  return o;
}

Status agree(Cluster &cluster, const Outcome &own) {
  std::vector<Outcome> all(cluster.size());
  TENON_RETURN_IF_ERROR(cluster.gatherAll(std::as_bytes(std::span(&own, 1)),
                                          reinterpret_cast<std::byte *>(all.data())));
  for (uint32_t r = 0; r < all.size(); ++r)
    if (all[r].code != int32_t(StatusCode::Ok)) {
      all[r].text[sizeof(all[r].text) - 1] = 0;
      return {StatusCode(all[r].code), cluster.nameOf(r) + ": " + all[r].text};
    }
  for (uint32_t r = 1; r < all.size(); ++r)
    if (all[r].identity != all[0].identity)
      return Status::invalidArgument(fmt::format(
          "{} has another engine than rank 0: {} bytes with checksum {:016x}{:016x}, and rank 0 "
          "has {} "
          "bytes with {:016x}{:016x}; give all ranks the same file",
          cluster.nameOf(r), all[r].identity.bytes, all[r].identity.high, all[r].identity.low,
          all[0].identity.bytes, all[0].identity.high, all[0].identity.low));
  return Status::ok();
}

StatusOr<std::vector<ProcessReport>> gatherReports(Cluster &cluster, const ProcessReport &own) {
  std::vector<ProcessReport> all(cluster.size());
  TENON_RETURN_IF_ERROR(cluster.gatherAll(std::as_bytes(std::span(&own, 1)),
                                          reinterpret_cast<std::byte *>(all.data())));
  return all;
}

size_t mostCommandWords(const Capacity &c) {
  return kFewWords + c.stepTokens + size_t(c.sequences) * (kRowWords + c.blockTableStride);
}

CommandSender::CommandSender(Cluster &c) : cluster(c), command{MessageBatch(c, c.size()), {}} {
  command.words.reserve(kFewWords);
}

CommandSender::~CommandSender() {
  for (Message &message : steps)
    (void)message.batch.wait(); // Its words are about to go.
}

void CommandSender::post(Message &message) {
  for (uint32_t r = 1; r < cluster.size(); ++r)
    message.batch.send(r, Tag::Command, message.words.data(),
                       message.words.size() * sizeof(uint32_t));
}

Status CommandSender::send(Command what, std::span<const uint32_t> words) {
  command.words.assign(1, static_cast<uint32_t>(what));
  command.words.insert(command.words.end(), words.begin(), words.end());
  post(command);
  return command.batch.wait();
}

Status CommandSender::prepare(const Capacity &c, bool timeLaunches, bool trace,
                              uint32_t microBatchRows) {
  for (uint32_t step = 0; step < c.stepsInFlight; ++step) {
    steps.push_back({MessageBatch(cluster, cluster.size()), {}});
    steps.back().words.reserve(mostCommandWords(c));
  }
  const uint32_t words[kPrepareWords] = {
      c.stepTokens,       c.sequences,  c.logitRows, c.context,      c.kvBlocks,
      c.blockTableStride, timeLaunches, trace,       microBatchRows, c.stepsInFlight};
  return send(Command::Prepare, words);
}

Status CommandSender::step(std::span<const StepRows> rows) {
  Message &step = steps[next++ % steps.size()];
  TENON_RETURN_IF_ERROR(step.batch.wait());
  std::vector<uint32_t> &message = step.words;
  message = {static_cast<uint32_t>(Command::Step), static_cast<uint32_t>(rows.size())};
  for (const StepRows &r : rows) {
    message.push_back(static_cast<uint32_t>(r.tokens.size()));
    message.push_back(r.firstPosition);
    message.push_back(static_cast<uint32_t>(r.blocks.size()));
    message.push_back(r.logitRows);
    message.push_back(r.keepsHidden);
  }
  for (const StepRows &r : rows) {
    message.insert(message.end(), r.tokens.begin(), r.tokens.end());
    message.insert(message.end(), r.blocks.begin(), r.blocks.end());
  }
  post(step);
  return Status::ok();
}

CommandReceiver::CommandReceiver(Cluster &c) : cluster(c), batch(c, 1), message(kFewWords) {}

void CommandReceiver::expect() {
  if (!expected)
    batch.receive(0, Tag::Command, message.data(), message.size() * sizeof(uint32_t));
  expected = true;
}

StatusOr<Command> CommandReceiver::next() {
  expect();
  return take();
}

StatusOr<std::optional<Command>> CommandReceiver::poll() {
  expect();
  auto done = batch.isDone();
  if (!done)
    return done.status();
  if (!*done)
    return std::optional<Command>();
  auto command = take();
  if (!command)
    return command.status();
  return std::optional(*command);
}

/// The expected message, waited for.
StatusOr<Command> CommandReceiver::take() {
  TENON_RETURN_IF_ERROR(batch.wait(MessageBatch::Wait::Idle));
  expected = false;
  count = batch.received() / sizeof(uint32_t);
  if (count == 0 || message[0] < uint32_t(Command::Open) || message[0] > uint32_t(Command::Stop))
    return Status::dataLoss(cluster.nameOf(0) + " sent a command that this version does not know");
  return Command(message[0]);
}

Status CommandReceiver::readPrepare(Capacity &c, bool &timeLaunches, bool &trace,
                                    uint32_t &microBatchRows) {
  const auto w = words();
  if (w.size() != kPrepareWords || w[0] == 0 || w[1] == 0 || w[2] == 0 || w[3] == 0 || w[4] == 0 ||
      w[0] > engine::kMaxStepTokens || w[1] > engine::kMaxSequences ||
      w[2] > engine::kMaxStepTokens || w[3] > engine::kMaxContext || w[4] > INT32_MAX ||
      w[9] == 0 || w[9] > engine::kMaxWorkers ||
      w[5] != (w[3] + cpu::kBlockTokens - 1) / cpu::kBlockTokens)
    return Status::dataLoss(cluster.nameOf(0) + " sent limits that no engine has");
  c.stepTokens = w[0];
  c.sequences = w[1];
  c.logitRows = w[2];
  c.context = w[3];
  c.kvBlocks = w[4];
  c.blockTableStride = w[5];
  timeLaunches = w[6] != 0;
  trace = w[7] != 0;
  microBatchRows = w[8];
  c.stepsInFlight = w[9];
  const size_t most = mostCommandWords(c);
  if (most > collective::Transport::kMostBytes / sizeof(uint32_t))
    return Status::dataLoss(cluster.nameOf(0) + " sent limits whose steps no message can hold");
  message.resize(most);
  return Status::ok();
}

Status CommandReceiver::readStep(std::vector<StepRows> &rows) const {
  const auto broken = [&] {
    return Status::dataLoss(cluster.nameOf(0) + " sent a step that is cut off");
  };
  auto w = words();
  if (w.empty() || w[0] > w.size() / kRowWords)
    return broken();
  const auto *heads = w.data() + 1;
  rows.resize(w[0]);
  if (w.size() < 1 + rows.size() * kRowWords)
    return broken();
  w = w.subspan(1 + rows.size() * kRowWords);
  const auto take = [&](uint32_t length, std::span<const int32_t> &into) {
    if (length > w.size())
      return false;
    into = {reinterpret_cast<const int32_t *>(w.data()), length};
    w = w.subspan(length);
    return true;
  };
  for (StepRows &r : rows) {
    if (!take(heads[0], r.tokens) || !take(heads[2], r.blocks))
      return broken();
    r.firstPosition = heads[1];
    r.logitRows = heads[3];
    r.keepsHidden = heads[4] != 0;
    heads += kRowWords;
  }
  return w.empty() ? Status::ok() : broken();
}

} // namespace tenon::executor
