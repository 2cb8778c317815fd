//===- ChipRunner.cpp - One chip's share of a step ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/ChipRunner.h"

#include "runtime/base/Clock.h"
#include "runtime/collective/Overlapping.h"
#include "runtime/executor/LaunchObserver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tenon::executor {

void ChipRunner::prepare(uint32_t number, std::span<const MicroBatch> step, uint32_t firstLogit) {
  Slot &slot = slots[number];
  slot.count = static_cast<uint32_t>(step.size());
  const auto firstToken = static_cast<int32_t>(chip().firstToken);
  for (uint32_t m = 0; m < slot.count; ++m) {
    Micro &micro = slot.micro[m];
    micro.view = step[m].view;
    micro.number = m;
    micro.context = step[m].context;
    std::fill(micro.claims.begin(), micro.claims.end(), 0);
    std::fill(micro.blockClaims.begin(), micro.blockClaims.end(), 0);
    if (pool.shared) {
      micro.view.poolHeads = pool.heads;
      micro.view.skippedKeys = pool.skippedKeys;
      micro.view.skippedValues = pool.skippedValues;
    }
    if (inPlace) {
      micro.view.logitStride = engine.plan().model.vocabulary;
      micro.view.firstLogit = static_cast<uint32_t>(inPlace->firstColumn);
    }
    micro.kept = micro.view;
    micro.kept.numTokens = micro.kept.numLogitRows = step[m].numKept;
    micro.kept.logitRows = step[m].keptRows;
    micro.kept.numAttentionTiles = 0;
    const uint64_t row = firstLogit + step[m].firstLogit;
    const ChipRunner &owner = setup.logitsOwner ? *setup.logitsOwner : *this;
    for (const auto &[pointer, column] : logitPointers)
      micro.shifted[pointer] = owner.buffer(engine.plan().logitsBuffer) +
                               (row * engine.plan().model.vocabulary + column) * sizeof(float);
    if (firstToken == 0) // It has no ids of its own.
      continue;
    // Rows of the chip's part count from its first; the kernel knows its number of rows.
    int32_t *mine = reinterpret_cast<int32_t *>(ids.data()) + uint64_t(number) * limits.stepTokens +
                    step[m].firstRow;
    for (uint32_t i = 0; i < micro.view.numTokens; ++i)
      mine[i] = step[m].view.tokenIds[i] < firstToken ? -1 : step[m].view.tokenIds[i] - firstToken;
    micro.view.tokenIds = mine;
  }
}

Status ChipRunner::exchange(const BoundLaunch &launch, void *const *arguments, const Micro &micro,
                            uint32_t worker, bool ownRows) {
  const cpu::StepView &view = viewOf(launch, micro);
  if (launch.kept && view.numTokens == 0)
    return Status::ok(); // On all chips alike: nothing is given.
  const engine::CollectivePlan &c = *launch.collective;
  const Membership &membership = setup.groups[c.axis];
  const collective::Caller who = {membership.member, worker, setup.workers};
  const uint64_t rows = c.logitRows ? view.numLogitRows : view.numTokens;
  const uint64_t columns = c.columns.back();
  auto *in = static_cast<float *>(arguments[0]);
  auto *out = static_cast<float *>(arguments[c.gives() && c.gets() ? 1 : 0]);
  collective::Group &group = *membership.group;
  switch (c.kind) {
  case engine::CollectiveKind::AllReduce: {
    const collective::Addition how = {.in = c.given == engine::Element::BF16
                                                ? collective::Element::BF16
                                                : collective::Element::F32,
                                      .accumulate = c.accumulate};
    TENON_RETURN_IF_ERROR(ownRows ? group.reduceScatterRows(who, in, out, rows, columns, how)
                                  : group.allReduce(who, in, out, rows, columns, how));
    break;
  }
  case engine::CollectiveKind::GatherRows:
    if (!ownRows)
      return Status::ok(); // Every chip has made all rows.
    if (collective::OverlappingGroup *beside =
            overlapping(launch, micro)) // The product behind it goes on with it.
      return beside->beginGatherRows(who, out, rows, columns * sizeof(float), c.overlap.block);
    TENON_RETURN_IF_ERROR(group.gatherRows(who, out, rows, columns * sizeof(float)));
    break;
  case engine::CollectiveKind::GatherColumns:
    if (inPlace && &c == &*inPlace->gather->collective)
      return Status::ok(); // Every chip has written its own, and the step's end is a meeting.
    TENON_RETURN_IF_ERROR(group.gatherColumns(who, in, out, rows, c.columns, /*root=*/0));
    if (launch.arguments[1] == buffer(engine.plan().logitsBuffer) && engine.plan().logitsBlock) {
      // The maxima of the logits' blocks stand behind them, and go the same way.
      uint64_t edges[engine::kMaxWorkers + 1];
      std::transform(c.columns.begin(), c.columns.end(), edges, cpu::logitsBlocks);
      const uint64_t own = c.columns[who.member + 1] - c.columns[who.member];
      TENON_RETURN_IF_ERROR(group.gatherColumns(who, in + rows * own, out + rows * columns, rows,
                                                std::span(edges, c.columns.size()), /*root=*/0));
    }
    break;
  case engine::CollectiveKind::Send:
    return group.send(who, in, rows * columns * sizeof(float), membership.member + 1);
  case engine::CollectiveKind::Receive:
    return group.receive(who, out, rows * columns * sizeof(float), membership.member - 1);
  }
  return c.fence ? group.barrier(who) : Status::ok();
}

void *const *ChipRunner::argumentsOf(size_t number, const Micro &micro) const {
  const BoundLaunch &launch = launches[number];
  return launch.shifted < 0 ? launch.arguments : micro.shifted.data() + launch.shifted;
}

Status ChipRunner::run(size_t number, Micro &micro, uint32_t worker, Tracing *trace) {
  const BoundLaunch &launch = launches[number];
  workerPulses[worker].set((launch.collective ? WorkerPulse::Meeting : 0) +
                           (launch.collective ? -1 : 1) * static_cast<int32_t>(number));
  const bool ownRows = launch.ownRows && micro.view.numTokens >= launch.ownRows;
  if (launch.collective)
    TENON_RETURN_IF_ERROR(exchange(launch, argumentsOf(number, micro), micro, worker, ownRows));
  else if (launch.beside >= 0 && overlapping(launches[launch.beside], micro))
    TENON_RETURN_IF_ERROR(computeBlocks(number, launch.beside, micro, worker, trace));
  else
    compute(number, micro, worker, ownRows);
  workerPulses[worker].moved(WorkerPulse::Between);
  return Status::ok();
}

void ChipRunner::compute(size_t number, Micro &micro, uint32_t worker, bool ownRows) {
  const BoundLaunch &launch = launches[number];
  const cpu::StepView &view = viewOf(launch, micro);
  if (view.numTokens == 0)
    return;
  // Of rows that the chips of a stage share out, this chip's workers are some of all chips'
  // workers: worker w of W on chip i of n has the share of worker i W + w of n W, and those of a
  // chip together rows [T i/n, T (i + 1)/n).
  const Membership &stage = setup.groups.back();
  const uint32_t first = ownRows ? stage.member * setup.workers : 0;
  const uint32_t workers = ownRows ? stage.group->size() * setup.workers : setup.workers;
  launch.kernel(argumentsOf(number, micro), &view, first + worker, workers, scratchOf(worker),
                &micro.claims[number]);
}

collective::OverlappingGroup *ChipRunner::overlapping(const BoundLaunch &launch,
                                                      const Micro &micro) const {
  const engine::OverlapPlan &overlap = launch.collective->overlap;
  return overlap.from && micro.view.numTokens >= overlap.from
             ? setup.groups[launch.collective->axis].group->overlapping()
             : nullptr;
}

Status ChipRunner::computeBlocks(size_t number, size_t beside, Micro &micro, uint32_t worker,
                                 Tracing *trace) {
  const BoundLaunch &launch = launches[number];
  const engine::CollectivePlan &c = *launches[beside].collective;
  const Membership &membership = setup.groups[c.axis];
  const collective::Caller who = {membership.member, worker, setup.workers};
  collective::OverlappingGroup &group = *membership.group->overlapping();
  const uint32_t rows = micro.view.numTokens;
  const bool gathers = c.kind == engine::CollectiveKind::GatherRows;
  void *const *const whole = argumentsOf(number, micro);
  bool noted = false; ///< That the launch has begun.
  if (!gathers)
    TENON_RETURN_IF_ERROR(group.beginReduceScatterRows(
        who, whole[c.overlap.strides.size() - 1], rows, c.columns.back(),
        c.given == engine::Element::BF16 ? collective::Element::BF16 : collective::Element::F32,
        c.overlap.block));

  using Order = collective::RowBlocks::Order;
  collective::RowBlocks block =
      group.blocks(rows, c.overlap.block, gathers ? Order::OwnFirst : Order::OwnLast);
  for (uint32_t index = 0; block.next(); ++index) {
    if (gathers && !block.isOwn()) {
      if (trace)
        trace->note(number, micro.number,
                    std::exchange(noted, true) ? TraceEvent::Did::More : TraceEvent::Did::Launch);
      workerPulses[worker].set(WorkerPulse::Meeting - static_cast<int32_t>(beside));
      TENON_RETURN_IF_ERROR(group.awaitBlock(who));
      workerPulses[worker].set(static_cast<int32_t>(number));
      if (trace)
        trace->note(beside, micro.number, TraceEvent::Did::Arrival);
    }
    // The rows are a step of their own; nothing that a product reads of it counts from another row.
    void *arguments[engine::kMostBlockArguments];
    for (size_t i = 0; i < c.overlap.strides.size(); ++i)
      arguments[i] = static_cast<std::byte *>(whole[i]) + block.first() * c.overlap.strides[i];
    cpu::StepView view = micro.view;
    view.numTokens = static_cast<uint32_t>(block.rowCount());
    view.numLogitRows = view.numAttentionTiles = 0;
    view.tokenIds += block.first();
    view.positions += block.first();
    view.rowSequence += block.first();
    launch.kernel(arguments, &view, worker, setup.workers, scratchOf(worker),
                  &micro.blockClaims[launch.blockClaims + index]);
    TENON_RETURN_IF_ERROR(group.blockDone(who));
  }
  if (!gathers)
    return Status::ok(); // The sum behind it ends it.
  TENON_RETURN_IF_ERROR(group.endGatherRows(who));
  return c.fence ? membership.group->barrier(who) : Status::ok();
}

const std::string &ChipRunner::nameOf(uint32_t number) const {
  const engine::CallPlan &call = engine.plan().calls[launchTimings[number].call];
  return engine.plan().functions[call.function].launches[launchTimings[number].launch].name;
}

/// What a worker says that another's failure has sent home.
static Status stopped() { return {StatusCode::Cancelled, "another worker failed"}; }

void ChipRunner::stop(const Status &why) {
  barrier.breakUp();
  for (const Membership &membership : setup.groups)
    if (membership.group)
      membership.group->abort(why);
}

Status ChipRunner::follow(uint32_t worker) {
  // What a chip gave to its neighbours' last collective must stay until they have read it.
  if (setup.groups.back().group)
    return meetStage(launches.size(), worker);
  return barrier.arriveAndWait() ? Status::ok() : stopped();
}

Status ChipRunner::meetStage(size_t number, uint32_t worker) {
  const Membership &stage = setup.groups.back();
  workerPulses[worker].set(WorkerPulse::Meeting - static_cast<int32_t>(number));
  TENON_RETURN_IF_ERROR(stage.group->barrier({stage.member, worker, setup.workers}));
  workerPulses[worker].set(WorkerPulse::Between);
  return Status::ok();
}

Status ChipRunner::meet(size_t number, uint32_t worker, bool chipHasMet) {
  if (launches[number].before == Meeting::Stage)
    return meetStage(number, worker);
  if (launches[number].before == Meeting::Chip && !chipHasMet && !barrier.arriveAndWait())
    return stopped();
  return Status::ok();
}

void ChipRunner::enters(uint32_t worker, bool step) {
  workerPulses[worker].moved(step ? WorkerPulse::Between : WorkerPulse::Idle);
}

Status ChipRunner::work(uint32_t number, uint32_t worker) {
  Slot &slot = slots[number];
  for (uint32_t m = 0; m < slot.count; ++m) {
    if (follows(m))
      TENON_RETURN_IF_ERROR(follow(worker));
    for (size_t i = 0; i < launches.size(); ++i) {
      TENON_RETURN_IF_ERROR(meet(i, worker));
      TENON_RETURN_IF_ERROR(run(i, slot.micro[m], worker));
      if (setup.progress && worker == 0)
        setup.progress->fetch_add(1, std::memory_order_relaxed);
    }
  }
  return Status::ok();
}

Status ChipRunner::workTimed(uint32_t number, uint32_t worker) {
  Slot &slot = slots[number];
  for (uint32_t m = 0; m < slot.count; ++m) {
    if (follows(m))
      TENON_RETURN_IF_ERROR(follow(worker));
    uint64_t began = nowNanos();
    for (size_t i = 0; i < launches.size(); ++i) {
      TENON_RETURN_IF_ERROR(meet(i, worker, /*chipHasMet=*/true));
      TENON_RETURN_IF_ERROR(run(i, slot.micro[m], worker));
      if (!barrier.arriveAndWait())
        return stopped();
      if (worker == 0) {
        if (setup.progress)
          setup.progress->fetch_add(1, std::memory_order_relaxed);
        const uint64_t now = nowNanos();
        launchTimings[i].nanos += now - began;
        began = now;
      }
    }
  }
  return Status::ok();
}

void ChipRunner::Tracing::note(size_t launch, uint32_t micro, TraceEvent::Did did) {
  const uint64_t now = nowNanos();
  events.push_back({began, now, static_cast<uint32_t>(launch), micro, did});
  began = now;
}

Status ChipRunner::workTraced(uint32_t number, uint32_t worker) {
  Slot &slot = slots[number];
  traces[worker].events.clear();
  Tracing trace = {traces[worker].events, nowNanos()};
  using Did = TraceEvent::Did;
  for (uint32_t m = 0; m < slot.count; ++m) {
    if (follows(m)) {
      TENON_RETURN_IF_ERROR(follow(worker));
      trace.note(0, m, Did::Barrier);
    }
    for (size_t i = 0; i < launches.size(); ++i) {
      if (launches[i].before != Meeting::Nobody) {
        TENON_RETURN_IF_ERROR(meet(i, worker));
        trace.note(i, m, Did::Barrier);
      }
      const size_t before = trace.events.size();
      TENON_RETURN_IF_ERROR(run(i, slot.micro[m], worker, &trace));
      trace.note(i, m, trace.events.size() == before ? Did::Launch : Did::More);
    }
  }
  return Status::ok();
}

Status ChipRunner::workObserved(uint32_t number, uint32_t worker, LaunchObserver &observer) {
  Slot &slot = slots[number];
  for (uint32_t m = 0; m < slot.count; ++m) {
    if (follows(m))
      TENON_RETURN_IF_ERROR(follow(worker));
    for (size_t i = 0; i < launches.size(); ++i) {
      if (!barrier.arriveAndWait())
        return stopped();
      if (worker == 0) {
        const engine::CallPlan &call = engine.plan().calls[launchTimings[i].call];
        observer.beforeLaunch(
            call, engine.plan().functions[call.function].launches[launchTimings[i].launch],
            argumentsOf(i, slot.micro[m]), viewOf(launches[i], slot.micro[m]));
      }
      TENON_RETURN_IF_ERROR(meet(i, worker, /*chipHasMet=*/true));
      TENON_RETURN_IF_ERROR(run(i, slot.micro[m], worker));
    }
  }
  return Status::ok();
}

void ChipRunner::countWork(uint32_t slot) {
  for (LaunchTiming &t : launchTimings) {
    const engine::CallPlan &call = engine.plan().calls[t.call];
    const engine::LaunchPlan &launch = engine.plan().functions[call.function].launches[t.launch];
    const engine::CostForm &cost = launch.cost;
    for (uint32_t m = 0; m < slots[slot].count; ++m) {
      const Micro &micro = slots[slot].micro[m];
      const uint64_t tokens = launch.rowsOf(micro.view.numTokens, engine.plan().chipsPerStage());
      t.bytes += cost.bytes(tokens, micro.view.numLogitRows, micro.context);
      t.macs += cost.macs(tokens, micro.view.numLogitRows, micro.context);
    }
  }
}

void ChipRunner::copyBlock(int32_t from, int32_t to) {
  if (setup.poolOwner)
    return; // Who owns the pool does it.
  const uint64_t bytes = engine.plan().kvLayerBlockBytes(chip()) / chip().kvHeads * pool.heads,
                 poolBytes = bytes * limits.kvBlocks;
  for (uint32_t part = 0; part < 2 * chip().kvLayers; ++part) {
    std::byte *base = kvPool.data() + part * poolBytes;
    std::memcpy(base + uint64_t(to) * bytes, base + uint64_t(from) * bytes, bytes);
  }
}

void ChipRunner::resetTimings() {
  for (LaunchTiming &t : launchTimings)
    t = {t.call, t.launch};
}

} // namespace tenon::executor
