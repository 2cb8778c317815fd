//===- Executor.cpp - Runs steps of a plan --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"

#include "runtime/base/ProcessMemory.h"
#include "runtime/collective/Local.h"
#include "runtime/collective/RemoteGroup.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/executor/MemoryCheck.h"
#include "runtime/executor/MicroBatches.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

Executor::Executor(const engine::Engine &e, const Capacity &c, const ExecutorOptions &o)
    : engine(e), limits(c), options(o), memoryPlan(planMemory(e.plan(), c)),
      vocabulary(e.plan().model.vocabulary) {}

StatusOr<std::unique_ptr<Executor>> Executor::create(const engine::Engine &engine,
                                                     const Capacity &capacity,
                                                     const ExecutorOptions &options) {
  const engine::ChipRange chips = capacity.chips;
  if (capacity.workers < chips.count)
    return Status::invalidArgument(fmt::format("{}: {} workers for {} chips; each needs one",
                                               engine.name(), capacity.workers, chips.count));
  if (chips.first != engine.chips().first || chips.count != engine.chips().count)
    return Status::invalidArgument(
        fmt::format("{}: chips {} to {} are wanted and {} to {} loaded", engine.name(), chips.first,
                    chips.end(), engine.chips().first, engine.chips().end()));
  std::unique_ptr<Executor> executor(new Executor(engine, capacity, options));
  collective::Cluster *cluster = options.cluster;
  if (cluster)
    executor->memoryPlan.messages += cluster->libraryBytes();
  if (cluster && cluster->rank() == 0) {
    executor->commands = std::make_unique<CommandSender>(*cluster);
    TENON_RETURN_IF_ERROR(executor->commands->prepare(capacity, options.timeLaunches, options.trace,
                                                      options.microBatchRows));
  }
  Status status = checkFits(executor->memoryPlan, availableBytes());
  if (status)
    status = executor->allocate();
  if (status)
    status = executor->startWorkers();
  if (cluster)
    status = agree(*cluster, Outcome::of(status));
  if (!status)
    return status;
  if (executor->commands && options.trace) {
    auto gathered = TraceGather::create(*cluster, *executor->commands,
                                        static_cast<uint32_t>(engine.plan().chips.size()));
    if (!gathered)
      return gathered.status();
    executor->gathered = std::make_unique<TraceGather>(std::move(*gathered));
  }
  return executor;
}

Executor::~Executor() {
  while (inFlight() > 0)
    (void)finish(); // Workers hold what is about to go.
  if (commands && broken.isOk())
    (void)commands->send(Command::Release); // A failure is the job's, and known by then.
}

uint32_t Executor::rankOf(uint32_t chip) const {
  const uint32_t processes = options.cluster ? options.cluster->size() : 1;
  for (uint32_t rank = 0; rank < processes; ++rank)
    if (engine::chipsOfProcess(static_cast<uint32_t>(engine.plan().chips.size()), rank, processes)
            .holds(chip))
      return rank;
  return 0;
}

Status Executor::allocate() {
  auto made =
      Arena::map(memoryPlan.stepTables, {.hugePages = true, .populate = options.populate},
                 "the step's tables");
  if (!made)
    return made.status();
  tables = std::move(*made);

  const engine::Plan &plan = engine.plan();
  if (stagesOf(plan) > 1 && logitsStandApart(plan, limits))
    mostMicro = options.microBatchRows == 0
                    ? mostMicroBatches(limits.stepTokens, stagesOf(plan))
                    : std::clamp(limits.stepTokens / options.microBatchRows + 1, 1u, kMostMicroBatches);
  for (uint32_t slot = 0; slot < limits.stepsInFlight; ++slot) {
    steps.push_back({StepTables(limits, vocabulary, mostMicro,
                                tables.data() + slot * StepTables::bytes(limits)),
                     {}, this, slot, nullptr});
    if (options.cluster)
      steps.back().message = std::make_unique<collective::MessageBatch>(*options.cluster, 4);
  }
  return Status::ok();
}

Status Executor::startWorkers() {
  WorkerGroup::Options group;
  group.workers = limits.workers;
  group.depth = limits.stepsInFlight;
  group.firstNumber = options.workersBefore;
  const cpu::Topology &topology = cpu::readTopology();
  // Processes of one host that may use the same processors share them out.
  uint32_t sharers = 1, place = 0;
  if (collective::Cluster *cluster = options.cluster) {
    sharers = cluster->peer(cluster->rank()).sharers;
    place = cluster->peer(cluster->rank()).place;
  }
  const uint64_t together = uint64_t(std::max(options.workersOfProcess, limits.workers)) * sharers;
  if (together > topology.processors.size()) {
    // Somebody always waits for a thread that does not run: give the processor away at once.
    group.barrierPolicy.spins = 0;
    group.idlePolicy.spins = 0;
  } else if (options.pin && together > 1) {
    const auto first = topology.processors.begin() + place * limits.workers + options.workersBefore;
    group.processors.assign(first, first + limits.workers);
  }
  const SpinPolicy policy = group.barrierPolicy;
  auto started = WorkerGroup::start(std::move(group));
  if (!started)
    return started.status();
  workers = std::move(*started);
  TENON_RETURN_IF_ERROR(makeGroups(policy));
  return makeChips(policy);
}

/// The widest operand that another process may send in a collective along an axis, in bytes.
static uint64_t widestOperand(const engine::Plan &plan, const Capacity &limits, uint32_t axis) {
  uint64_t most = 0;
  for (const engine::FunctionPlan &function : plan.functions)
    for (const engine::LaunchPlan &launch : function.launches) {
      if (!launch.collective || launch.collective->axis != axis)
        continue;
      const engine::CollectivePlan &c = *launch.collective;
      const bool keeps = c.kind == engine::CollectiveKind::GatherRows || (c.gives() && c.gets());
      if (keeps) // The others arrive where they are wanted.
        most = std::max<uint64_t>(most, (c.logitRows ? limits.logitRows : limits.stepTokens) *
                                            c.columns.back() * c.givenBytes());
    }
  return most;
}

/// Messages of a collective that overlaps with compute, at most; 0 if none does.
static uint64_t overlappingMessages(const engine::Plan &plan, const Capacity &limits, uint32_t axis) {
  uint64_t most = 0;
  const uint32_t chips = plan.grid[axis];
  for (const engine::FunctionPlan &function : plan.functions)
    for (const engine::LaunchPlan &launch : function.launches)
      if (launch.collective && launch.collective->axis == axis && launch.collective->overlap.from)
        most = std::max(most, (chips + 1) * collective::RowBlocks::most(limits.stepTokens,
                                                                        launch.collective->overlap.block, chips));
  return most;
}

/// The group of the line of chips that begins with `first`; null if none of them is here. Every process
/// makes all groups in the same order, so that they agree about `tag`.
StatusOr<std::unique_ptr<collective::Group>> Executor::makeGroup(uint32_t axis, uint32_t first,
                                                                 uint32_t stride, SpinPolicy policy,
                                                                 int &tag) {
  const engine::Plan &plan = engine.plan();
  const uint32_t size = plan.grid[axis];
  collective::RemoteGroup::Setup setup;
  for (uint32_t member = 0; member < size; ++member) {
    const uint32_t chip = first + member * stride;
    setup.ranks.push_back(rankOf(chip));
    if (limits.chips.holds(chip))
      setup.workers.push_back(chipWorkers(plan, limits, chip));
  }
  setup.tag = tag;
  tag += collective::RemoteGroup::tagsOf(size);
  if (setup.workers.empty())
    return std::unique_ptr<collective::Group>();
  if (setup.workers.size() == size) {
    auto group = collective::LocalGroup::create(std::move(setup.workers), policy);
    if (!group)
      return group.status();
    return std::unique_ptr<collective::Group>(std::move(*group));
  }
  setup.mostBytes = widestOperand(plan, limits, axis);
  setup.policy = policy;
  setup.overlappingMessages = overlappingMessages(plan, limits, axis);
  memoryPlan.messages += collective::RemoteGroup::bufferBytes(*options.cluster, setup);
  auto group = collective::RemoteGroup::create(*options.cluster, std::move(setup));
  if (!group)
    return group.status();
  return std::unique_ptr<collective::Group>(std::move(*group));
}

/// A group for every line of chips along every axis that has more than one.
Status Executor::makeGroups(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  groups.resize(plan.grid.size());
  int tag = collective::Tag::Groups;
  uint32_t stride = 1;
  for (size_t axis = plan.grid.size(); axis-- > 0; stride *= plan.grid[axis]) {
    const uint32_t size = plan.grid[axis];
    if (size == 1)
      continue;
    for (uint32_t first = 0; first < plan.chips.size(); ++first) {
      if (first / stride % size != 0)
        continue;
      auto group = makeGroup(static_cast<uint32_t>(axis), first, stride, policy, tag);
      if (!group)
        return group.status();
      groups[axis].push_back(std::move(*group));
    }
  }
  return Status::ok();
}

std::string Executor::whose() const { return options.replica ? fmt::format("replica {}, ", *options.replica) : ""; }

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

Status Executor::makeChips(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  for (uint32_t chip = limits.chips.first; chip < limits.chips.end(); ++chip) {
    ChipRunner::Setup setup;
    setup.chip = chip;
    setup.workers = chipWorkers(plan, limits, chip);
    setup.barrierPolicy = policy;
    setup.populate = options.populate;
    setup.trace = options.trace;
    setup.slots = limits.stepsInFlight;
    setup.microBatches = mostMicro;
    if (options.cluster)
      setup.progress = &options.cluster->health.progress;
    setup.groups.resize(plan.grid.size());
    uint32_t stride = 1;
    for (size_t axis = plan.grid.size(); axis-- > 0; stride *= plan.grid[axis]) {
      if (plan.grid[axis] == 1)
        continue;
      const uint32_t member = chip / stride % plan.grid[axis];
      // Groups are in order of their first chip: those of lower lines, then of the same.
      const uint32_t line = chip / (stride * plan.grid[axis]) * stride + chip % stride;
      setup.groups[axis] = {groups[axis][line].get(), member};
    }
    if (const PoolShare pool = poolOf(plan, limits, chip); pool.owner != chip)
      setup.poolOwner = chips[pool.owner - limits.chips.first].get();
    if (chip != plan.logitsChip() && logitsInPlace(plan, limits, chip))
      setup.logitsOwner = chips[plan.logitsChip() - limits.chips.first].get();
    for (uint32_t worker = 0; worker < setup.workers; ++worker)
      places.push_back({chip - limits.chips.first, worker});
    auto runner = ChipRunner::create(engine, limits, std::move(setup));
    if (!runner)
      return runner.status();
    chips.push_back(std::move(*runner));
  }
  if (limits.chips.holds(plan.logitsChip())) {
    logitsBase = reinterpret_cast<float *>(
        chips[plan.logitsChip() - limits.chips.first]->buffer(plan.logitsBuffer));
    hasMaxima = plan.logitsBlock != 0;
  } else if (commands) {
    const uint64_t bytes = uint64_t(limits.logitRows) * vocabulary * sizeof(float);
    auto made = Arena::map(bytes, {.hugePages = true, .populate = options.populate},
                           "the logits of another process");
    if (!made)
      return made.status();
    farLogits = std::move(*made);
    memoryPlan.messages += bytes;
    logitsBase = reinterpret_cast<float *>(farLogits.data());
  }
  return Status::ok();
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
  const Status status = options.observer       ? chip.workObserved(step.slot, place.worker, *options.observer)
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
      cluster->fail({status.code(),
                     cluster->nameOf(cluster->rank()) + ", " + stoppedBy.message()});
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
    return no("stages that work at the same time keep no hidden states; embeddings need an engine of one stage");
  if (!plan.pooling)
    return no("the engine has no embeddings; compile it again with this version");
  if (!limits.chips.holds(chip))
    return no("another process has the last hidden states; embeddings need one process");
  const engine::PoolingPlan &pooling = *plan.pooling;
  return HiddenState{
      reinterpret_cast<const float *>(chips[chip - limits.chips.first]->buffer(pooling.hiddenBuffer)),
      reinterpret_cast<const float *>(engine.weight(pooling.normWeight, chip)), pooling.normEps,
      plan.model.hidden};
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
