//===- Commands.h - What rank 0 tells the other processes -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Rank 0 schedules, samples and speaks; the others run their chips. What they need to know is
// little: which engine, how large, and for every step its tokens and block tables. A command is one
// message of 32-bit words. Where an answer is wanted, every rank collects everyone's.
//
#ifndef TENON_RUNTIME_EXECUTOR_COMMANDS_H
#define TENON_RUNTIME_EXECUTOR_COMMANDS_H

#include "runtime/collective/Cluster.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/executor/StepRows.h"

#include <optional>
#include <span>
#include <vector>

namespace tenon::executor {

/// First word of a message.
enum class Command : uint32_t {
  Open = 1,
  Prepare,
  Step,
  CopyBlock,
  Release,
  Report,
  Clock, ///< TraceGather.h, as Trace.
  Trace,
  Stop
};

/// How a process fared with Open or Prepare. Plain bytes.
struct Outcome {
  int32_t code = 0; ///< StatusCode.
  uint32_t chips = 0;
  engine::Identity identity;
  char text[400] = "";

  static Outcome of(const Status &status);
};
/// Every rank's outcome to every rank. The first that failed, named; or, where they name engines
/// that differ, the first that has not rank 0's.
Status agree(collective::Cluster &cluster, const Outcome &own);

/// Figures of one process.
struct ProcessReport {
  uint32_t firstChip = 0, chips = 0, workers = 0, reserved = 0;
  uint64_t plannedBytes = 0, residentBytes = 0, peakBytes = 0;
  uint64_t storedWeights = 0; ///< Bytes of the engine's weights that are mapped.
};
/// By rank. Every process calls it, with its own.
StatusOr<std::vector<ProcessReport>> gatherReports(collective::Cluster &cluster,
                                                   const ProcessReport &own);

/// Words of the largest command for an executor of this capacity.
size_t mostCommandWords(const Capacity &capacity);

/// Rank 0's end. Sends to every other rank; an error is that of the job.
class CommandSender {
public:
  explicit CommandSender(collective::Cluster &cluster);
  ~CommandSender();

  Status send(Command command, std::span<const uint32_t> words = {});
  Status prepare(const Capacity &capacity, bool timeLaunches, bool trace, uint32_t microBatchRows);
  /// Returns before the others have it: they may be at work on the step before. Waits for the
  /// oldest of as many steps as may be under way.
  Status step(std::span<const StepRows> rows);

private:
  /// A command and what carries it.
  struct Message {
    collective::MessageBatch batch;
    std::vector<uint32_t> words;
  };
  void post(Message &message);

  collective::Cluster &cluster;
  Message command;            ///< Any but a step.
  std::vector<Message> steps; ///< In turn.
  size_t next = 0;
};

/// The others' end.
class CommandReceiver {
public:
  explicit CommandReceiver(collective::Cluster &cluster);

  /// Waits for the next command, without using the processor for long. DataLoss if it makes no
  /// sense.
  StatusOr<Command> next();
  /// The next command if it is there already.
  StatusOr<std::optional<Command>> poll();
  /// The command's words, after the first.
  std::span<const uint32_t> words() const { return {message.data() + 1, count - 1}; }

  /// Of Prepare: `capacity` but for this process's own workers and chips.
  Status readPrepare(Capacity &capacity, bool &timeLaunches, bool &trace, uint32_t &microBatchRows);
  /// Of Step. The rows point into the message.
  Status readStep(std::vector<StepRows> &rows) const;

private:
  void expect();
  StatusOr<Command> take();

  collective::Cluster &cluster;
  collective::MessageBatch batch;
  std::vector<uint32_t> message;
  size_t count = 1;
  bool expected = false; ///< A receive is posted.
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_COMMANDS_H
