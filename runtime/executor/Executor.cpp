//===- Executor.cpp - Runs steps of a plan --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"

#include "runtime/base/ProcessMemory.h"
#include "runtime/executor/MicroBatches.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

Executor::~Executor() {
  while (inFlight() > 0)
    (void)finish(); // Workers hold what is about to go.
  if (commands && broken.isOk())
    (void)commands->send(Command::Release); // A failure is the job's, and known by then.
}

std::string Executor::whose() const {
  return options.replica ? fmt::format("replica {}, ", *options.replica) : "";
}

void Executor::watchForStalls(double seconds, std::function<void(const Status &)> stuck) {
  if ((chips.size() < 2 && !options.replica) || options.observer)
    return;
  StallWatch::Setup setup;
  setup.seconds = seconds;
  setup.owner = whose();
  setup.firstChip = limits.chips.first;
  setup.chipsPerStage = engine.plan().chipsPerStage();
  for (const auto &chip : chips)
    setup.chips.push_back(chip->pulses());
  setup.nameOf = [this](uint32_t chip, uint32_t number) { return chips[chip]->nameOf(number); };
  setup.stalled = [this](uint32_t chip, const Status &why) {
    stopChips(limits.chips.first + chip, why);
  };
  setup.stuck = std::move(stuck);
  stalls = std::make_unique<StallWatch>(std::move(setup));
}

Executor::LogitRange Executor::logitRoom() const {
  LogitRange best;
  const auto consider = [&](uint32_t first) {
    uint32_t end = limits.logitRows;
    for (uint64_t n = finished; n != started; ++n) {
      const LogitRange &taken = steps[n % steps.size()].logits;
      if (first >= taken.first && first < taken.first + taken.count)
        return;
      if (taken.count && taken.first >= first)
        end = std::min(end, taken.first);
    }
    if (end - first > best.count)
      best = {first, end - first};
  };
  consider(0);
  for (uint64_t n = finished; n != started; ++n) {
    const LogitRange &taken = steps[n % steps.size()].logits;
    consider(taken.first + taken.count);
  }
  return best;
}

Status Executor::start(std::span<const StepRows> rows) {
  if (!broken.isOk())
    return broken;
  if (inFlight() >= limits.stepsInFlight)
    return Status::internal(fmt::format("{} steps are under way already", inFlight()));
  Step &step = steps[started % steps.size()];
  uint32_t tokens = 0;
  for (const StepRows &r : rows)
    tokens += static_cast<uint32_t>(std::min<size_t>(r.tokens.size(), limits.stepTokens));
  const uint32_t stages = mostMicro > 1 ? stagesOf(engine.plan()) : 1;
  TENON_RETURN_IF_ERROR(step.tables.fill(
      rows, options.microBatchRows ? options.microBatchRows : microBatchRows(tokens, stages)));
  const LogitRange room = logitRoom();
  if (step.tables.logitRows() > room.count)
    return Status::internal(fmt::format("{} rows with logits, and steps under way leave {}",
                                        step.tables.logitRows(), room.count));
  step.logits = {room.first, step.tables.logitRows()};
  if (commands) {
    // Expected before anybody computes them: whoever sends them must not wait for finish().
    expectLogits(step);
    broken = commands->step(rows);
    TENON_RETURN_IF_ERROR(broken);
  }
  compute(step);
  ++started;
  return Status::ok();
}

void Executor::compute(Step &step) {
  for (const auto &chip : chips) {
    chip->prepare(step.slot, step.tables.microBatches(), step.logits.first);
    if (options.timeLaunches)
      chip->countWork(step.slot);
  }
  if (options.cluster)
    options.cluster->health.activity = collective::Health::Computing;
  if (stalls)
    stalls->begin();
  workers->begin(work, &step);
}

void Executor::work(void *context, uint32_t worker) {
  const Step &step = *static_cast<const Step *>(context);
  Executor &executor = *step.executor;
  const Place place = executor.places[worker];
  ChipRunner &chip = *executor.chips[place.chip];
  const ExecutorOptions &options = executor.options;
  chip.enters(place.worker, true);
  const Status status = options.observer
                            ? chip.workObserved(step.slot, place.worker, *options.observer)
                        : options.timeLaunches ? chip.workTimed(step.slot, place.worker)
                        : options.trace        ? chip.workTraced(step.slot, place.worker)
                                               : chip.work(step.slot, place.worker);
  chip.enters(place.worker, false);
  if (!status.isOk())
    executor.stopChips(executor.limits.chips.first + place.chip, status);
}

Status Executor::finish() {
  if (inFlight() == 0)
    return Status::internal("no step is under way");
  workers->end();
  if (stalls)
    stalls->end();
  lastSlot = finished++ % steps.size();
  lastLogits = steps[lastSlot].logits;
  Status status; // Whoever was sent home by another's failure has nothing to add.
  {
    const std::lock_guard lock(stopping);
    status = stoppedBy;
  }
  if (collective::Cluster *cluster = options.cluster) {
    if (status.isOk())
      status = moveLogits(steps[lastSlot]);
    if (inFlight() == 0)
      cluster->health.activity = collective::Health::Idle;
    if (!cluster->failure().isOk())
      status = cluster->failure();
  }
  if (broken.isOk())
    broken = status;
  return broken;
}

Status Executor::run(std::span<const StepRows> rows) {
  TENON_RETURN_IF_ERROR(start(rows));
  return finish();
}

/// Called by a worker that got an error: ends the waits of all others. The first says why.
void Executor::stopChips(uint32_t chip, const Status &status) {
  const std::lock_guard lock(stopping);
  if (!stoppedBy.isOk())
    return;
  stoppedBy = {status.code(), fmt::format("{}chip {}: {}", whose(), chip, status.message())};
  if (collective::Cluster *cluster = options.cluster) {
    if (cluster->failure().isOk()) // Else it is of another process, and named.
      cluster->fail({status.code(), cluster->nameOf(cluster->rank()) + ", " + stoppedBy.message()});
    stoppedBy = cluster->failure();
  }
  for (const auto &each : chips)
    each->stop(stoppedBy);
}

/// On rank 0: makes ready for logits that another process computes.
void Executor::expectLogits(Step &step) {
  if (farLogits.size() != 0 && step.logits.count != 0)
    step.message->receive(rankOf(engine.plan().logitsChip()), collective::Tag::Logits,
                          logitsBase + size_t(step.logits.first) * vocabulary,
                          uint64_t(step.logits.count) * vocabulary * sizeof(float));
}

/// Brings the step's logits to rank 0; nothing where nobody expects them.
Status Executor::moveLogits(Step &step) {
  const uint32_t rank = options.cluster->rank();
  if (rank != 0 && limits.chips.holds(engine.plan().logitsChip()) && step.logits.count != 0)
    step.message->send(0, collective::Tag::Logits,
                       logitsBase + size_t(step.logits.first) * vocabulary,
                       uint64_t(step.logits.count) * vocabulary * sizeof(float));
  return step.message->wait();
}

std::optional<HiddenState> Executor::hiddenState(std::string *why) const {
  const engine::Plan &plan = engine.plan();
  const uint32_t chip = plan.logitsChip();
  const auto no = [&](const char *reason) {
    if (why)
      *why = engine.name() + ": " + reason;
    return std::nullopt;
  };
  if (plan.grid.size() > 1 && plan.grid.front() > 1)
    return no("stages that work at the same time keep no hidden states; embeddings need an engine "
              "of one stage");
  if (!plan.pooling)
    return no("the engine has no embeddings; compile it again with this version");
  if (!limits.chips.holds(chip))
    return no("another process has the last hidden states; embeddings need one process");
  const engine::PoolingPlan &pooling = *plan.pooling;
  return HiddenState{reinterpret_cast<const float *>(
                         chips[chip - limits.chips.first]->buffer(pooling.hiddenBuffer)),
                     reinterpret_cast<const float *>(engine.weight(pooling.normWeight, chip)),
                     pooling.normEps, plan.model.hidden};
}

void Executor::copyBlock(int32_t from, int32_t to) {
  if (commands) {
    const uint32_t words[] = {uint32_t(from), uint32_t(to)};
    if (Status status = commands->send(Command::CopyBlock, words); !status)
      broken = status; // The next step says it.
  }
  for (const auto &chip : chips)
    chip->copyBlock(from, to);
}

ProcessReport Executor::report() const {
  ProcessReport r;
  r.firstChip = limits.chips.first;
  r.chips = limits.chips.count;
  r.workers = limits.workers;
  r.plannedBytes = memoryPlan.total();
  r.residentBytes = residentBytes();
  r.peakBytes = peakResidentBytes();
  r.storedWeights = memoryPlan.storedWeights;
  return r;
}

StatusOr<std::vector<ProcessReport>> Executor::reports() {
  if (!commands)
    return std::vector<ProcessReport>{report()};
  TENON_RETURN_IF_ERROR(commands->send(Command::Report));
  return gatherReports(*options.cluster, report());
}

void Executor::resetTimings() {
  for (const auto &chip : chips)
    chip->resetTimings();
}

} // namespace tenon::executor
