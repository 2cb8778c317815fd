//===- Follower.cpp - A process that runs chips for rank 0 ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Follower.h"

#include "runtime/executor/Commands.h"
#include "runtime/executor/TraceGather.h"

#include <algorithm>
#include <sched.h>

namespace tenon::executor {

namespace {

class Follower {
public:
  Follower(collective::Cluster &cluster,
           const std::function<StatusOr<std::unique_ptr<engine::Engine>>()> &open, uint32_t workers,
           ExecutorOptions options)
      : cluster(cluster), open(open), workers(workers), options(options), commands(cluster) {}

  Status run();

private:
  Status openEngine();
  Status prepare();
  StatusOr<Command> nextCommand();
  Status finishSteps();
  Status step();
  Status sendTrace();

  collective::Cluster &cluster;
  const std::function<StatusOr<std::unique_ptr<engine::Engine>>()> &open;
  const uint32_t workers;
  ExecutorOptions options;
  CommandReceiver commands;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<Executor> executor;
  std::vector<StepRows> rows;
};

Status Follower::openEngine() {
  executor.reset();
  engine.reset();
  auto opened = open();
  Outcome outcome = Outcome::of(opened.status());
  if (opened) {
    engine = std::move(*opened);
    engine->releasePages(engine::SectionKind::Tokenizer); // Read for its checksum; rank 0 needs it.
    outcome.identity = engine->identity();
  }
  // If they disagree, rank 0 says so and gives up.
  (void)agree(cluster, outcome);
  return cluster.failure();
}

Status Follower::prepare() {
  executor.reset();
  Capacity capacity;
  TENON_RETURN_IF_ERROR(
      commands.readPrepare(capacity, options.timeLaunches, options.trace, options.microBatchRows));
  if (!engine)
    return Status::dataLoss(cluster.nameOf(0) + " wants steps of no engine");
  if (capacity.stepsInFlight > stagesOf(engine->plan()))
    return Status::dataLoss(cluster.nameOf(0) +
                            " wants more steps under way than there are stages");
  capacity.chips = engine->chips();
  capacity.workers = std::max(workers, capacity.chips.count);
  rows.reserve(capacity.sequences);
  auto made = Executor::create(*engine, capacity, options); // Agrees with rank 0's.
  if (made)
    executor = std::move(*made);
  return cluster.failure();
}

Status Follower::step() {
  TENON_RETURN_IF_ERROR(commands.readStep(rows));
  if (!executor)
    return Status::dataLoss(cluster.nameOf(0) + " wants a step before it has said how large");
  uint64_t logitRows = 0;
  for (const StepRows &r : rows)
    logitRows += r.logitRows;
  // Rank 0 has room for them. What it has finished may still be under way here: it waits for the
  // logits' process alone.
  while (executor->inFlight() > 0 && executor->freeLogitRows() < logitRows)
    TENON_RETURN_IF_ERROR(executor->finish());
  return executor->start(rows);
}

/// The next command. As long as steps are under way, each is finished as soon as it is computed,
/// for rank 0 waits for its logits, or as soon as no further one may begin.
StatusOr<Command> Follower::nextCommand() {
  while (executor && executor->inFlight() > 0) {
    const bool full = executor->inFlight() == executor->maxInFlight();
    if (full || executor->oldestIsComputed()) {
      TENON_RETURN_IF_ERROR(executor->finish());
      continue;
    }
    auto command = commands.poll();
    if (!command)
      return command.status();
    if (*command)
      return **command;
    sched_yield();
  }
  return commands.next();
}

/// All commands but a step are about what steps leave behind.
Status Follower::finishSteps() {
  while (executor && executor->inFlight() > 0)
    TENON_RETURN_IF_ERROR(executor->finish());
  return Status::ok();
}

Status Follower::sendTrace() {
  std::vector<std::vector<std::span<const TraceEvent>>> events;
  const engine::ChipRange own = engine ? engine->chips() : engine::ChipRange{};
  for (uint32_t chip = own.first; executor && chip < own.end(); ++chip) {
    events.emplace_back();
    for (uint32_t worker = 0; worker < executor->workersOf(chip); ++worker)
      events.back().push_back(executor->trace(chip, worker));
  }
  return TraceGather::send(cluster, own.first, events);
}

Status Follower::run() {
  for (;;) {
    auto command = nextCommand();
    Status status = command.status();
    if (command && *command != Command::Step)
      status = finishSteps();
    if (status.isOk())
      switch (*command) {
      case Command::Open:
        status = openEngine();
        break;
      case Command::Prepare:
        status = prepare();
        break;
      case Command::Step:
        status = step();
        break;
      case Command::CopyBlock:
        if (executor && commands.words().size() == 2 &&
            std::max(commands.words()[0], commands.words()[1]) < executor->capacity().kvBlocks)
          executor->copyBlock(int32_t(commands.words()[0]), int32_t(commands.words()[1]));
        break;
      case Command::Release:
        executor.reset();
        break;
      case Command::Report:
        status = gatherReports(cluster, executor ? executor->report() : ProcessReport{}).status();
        break;
      case Command::Clock:
        status = TraceGather::answerClock(cluster);
        break;
      case Command::Trace:
        status = sendTrace();
        break;
      case Command::Stop:
        return Status::ok();
      }
    if (status.isOk())
      continue;
    // Rank 0 waits for this process's part: it must hear why it will not come.
    if (cluster.failure().isOk())
      cluster.fail({status.code(), cluster.nameOf(cluster.rank()) + ": " + status.message()});
    return cluster.failure();
  }
}

} // namespace

Status follow(collective::Cluster &cluster,
              const std::function<StatusOr<std::unique_ptr<engine::Engine>>()> &open,
              uint32_t workers, ExecutorOptions options) {
  return Follower(cluster, open, workers, options).run();
}

} // namespace tenon::executor
