//===- StepTrace.cpp - What every chip did, when --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/StepTrace.h"

#include "tools/tenon/BenchLedger.h"

#include <algorithm>

namespace tenon::tool {

namespace {
double sumOf(const std::vector<ChipKind> &kinds, double ChipKind::*field) {
  double sum = 0;
  for (const ChipKind &kind : kinds)
    sum += kind.*field;
  return sum;
}
} // namespace

double ChipLedger::seconds() const { return sumOf(kinds, &ChipKind::seconds); }
double ChipLedger::barrierSeconds() const { return sumOf(kinds, &ChipKind::barrierSeconds); }
double ChipLedger::othersSeconds() const {
  return idleSeconds + sumOf(kinds, &ChipKind::othersSeconds);
}

StepTrace::StepTrace(const engine::Plan &p, const executor::Executor &executor, bool keep)
    : plan(p), keepEvents(keep) {
  for (const engine::ChipPlan &chipPlan : plan.chips) {
    Chip &chip = chips.emplace_back();
    ChipLedger ledger;
    ledger.chip = chipPlan.id;
    ledger.workers = executor.workersOf(chipPlan.id);
    engine::StepLimits limits = executor.capacity().limits();
    limits.workers = ledger.workers;
    ledger.arenaPlanned = chipPlan.arena.at(limits);
    chip.launches = engine::launchesOf(plan, chipPlan);
    for (uint32_t i = 0; i < chip.launches.size(); ++i) {
      const engine::LaunchPlan &launch = *chip.launches[i];
      chip.kinds.push_back(plan.kindOf(launch));
      chip.windows.push_back(launch.collective ? 0 : windowOf(plan.kernels[launch.kernel]));
      auto kind = std::find_if(ledger.kinds.begin(), ledger.kinds.end(),
                               [&](const ChipKind &k) { return k.kind == chip.kinds.back(); });
      if (kind == ledger.kinds.end())
        kind = ledger.kinds.insert(kind, ChipKind{chip.kinds.back()});
      ++kind->launches;
      if (!launch.collective)
        continue;
      const engine::CollectiveKind what = launch.collective->kind;
      (what == engine::CollectiveKind::Send      ? chip.sends
       : what == engine::CollectiveKind::Receive ? chip.receives
                                                 : chip.inner)
          .push_back(i);
    }
    for (std::vector<ChipLedger> &phase : byPhase)
      phase.push_back(ledger);
  }
}

uint64_t StepTrace::lastToCome(uint32_t chip, uint32_t launch, uint32_t micro) const {
  uint64_t last = 0;
  for (const std::vector<uint64_t> &worker : came[chip])
    last = std::max(last, worker[micro * chips[chip].launches.size() + launch]);
  return last;
}

/// When the last worker of all chips that meet in a collective had come to it.
uint64_t StepTrace::whenAllCame(uint32_t chip, uint32_t launch, uint32_t micro) const {
  const auto placeIn = [&](const std::vector<uint32_t> &list) {
    return static_cast<size_t>(std::find(list.begin(), list.end(), launch) - list.begin());
  };
  uint64_t last = lastToCome(chip, launch, micro);
  const uint32_t stage = plan.chipsPerStage();
  switch (chips[chip].launches[launch]->collective->kind) {
  case engine::CollectiveKind::Send:
    return std::max(
        last,
        lastToCome(chip + stage, chips[chip + stage].receives[placeIn(chips[chip].sends)], micro));
  case engine::CollectiveKind::Receive:
    return std::max(
        last,
        lastToCome(chip - stage, chips[chip - stage].sends[placeIn(chips[chip].receives)], micro));
  default:
    break;
  }
  const size_t place = placeIn(chips[chip].inner);
  for (uint32_t other = chip / stage * stage; other < (chip / stage + 1) * stage; ++other)
    last = std::max(last, lastToCome(other, chips[other].inner[place], micro));
  return last;
}

void StepTrace::add(const executor::Executor &executor, const generate::StepTimes &times) {
  // All looks at the clock first: a collective's waiting depends on when the others came.
  Step step = {UINT64_MAX, 0, times, slices.size(), {}};
  came.assign(chips.size(), {});
  for (uint32_t chip = 0; chip < chips.size(); ++chip)
    for (uint32_t worker = 0; worker < executor.workersOf(chip); ++worker) {
      std::vector<uint64_t> &begins = came[chip].emplace_back();
      for (const executor::TraceEvent &event : executor.trace(chip, worker)) {
        step.began = std::min(step.began, event.began);
        step.ended = std::max(step.ended, event.ended);
        if (event.did == executor::TraceEvent::Did::Launch)
          begins.push_back(event.began);
      }
      if (begins.size() != chips[chip].launches.size() * executor.microBatches().size())
        return; // The step failed on the way: there is nothing to learn from it.
    }
  std::vector<ChipLedger> &ledgers = byPhase[times.promptRows > 0];
  for (uint32_t chip = 0; chip < chips.size(); ++chip)
    addChip(executor, chip, step, ledgers[chip]);
  if (keepEvents)
    steps.push_back(std::move(step));
}

void StepTrace::addChip(const executor::Executor &executor, uint32_t number, Step &step,
                        ChipLedger &ledger) {
  const Chip &chip = chips[number];
  const engine::ChipPlan &chipPlan = plan.chips[number];
  const auto kindOf = [&](uint32_t launch) -> ChipKind & {
    return *std::find_if(ledger.kinds.begin(), ledger.kinds.end(),
                         [&](const ChipKind &k) { return k.kind == chip.kinds[launch]; });
  };
  ++ledger.steps;
  ledger.stepSeconds += double(step.ended - step.began) * 1e-9;

  engine::StepSize rows = {0, 0, 0}; // Of the micro-batch that fills the arena most.
  for (const executor::MicroBatch &micro : executor.microBatches()) {
    const cpu::StepView &view = micro.view;
    rows.tokens = std::max<uint64_t>(rows.tokens, view.numTokens);
    rows.logitRows += view.numLogitRows; // Those of all stay.
    for (uint32_t i = 0; i < chip.launches.size(); ++i) {
      const engine::StepSize size = {view.numTokens, view.numLogitRows,
                                     contextOf(view, chip.windows[i]).positions};
      const engine::Traffic traffic = trafficOf(plan, chipPlan, *chip.launches[i], size);
      ChipKind &kind = kindOf(i);
      kind.read += traffic.read;
      kind.written += traffic.written;
      kind.sent += traffic.sent;
    }
  }
  std::vector<uint64_t> arena = arenaInUse(plan, chipPlan, rows);
  ledger.arenaPeak = std::max(ledger.arenaPeak, *std::max_element(arena.begin(), arena.end()));
  step.arena.push_back(std::move(arena));

  const double share = 1e-9 / ledger.workers;
  const auto keep = [&](Slice::Kind kind, uint64_t began, uint64_t ended, uint32_t worker,
                        uint32_t launch) {
    if (keepEvents && (ended > began || kind == Slice::Kind::Launch))
      slices.push_back({began, ended, number, worker, launch, kind});
  };
  for (uint32_t worker = 0; worker < ledger.workers; ++worker) {
    const auto events = executor.trace(number, worker);
    ledger.idleSeconds += double(events.front().began - step.began) * share;
    ledger.idleSeconds += double(step.ended - events.back().ended) * share;
    for (const executor::TraceEvent &event : events) {
      ChipKind &kind = kindOf(event.launch);
      if (event.did == executor::TraceEvent::Did::Arrival) {
        kind.othersSeconds += double(event.ended - event.began) * share;
        keep(Slice::Kind::Others, event.began, event.ended, worker, event.launch);
        continue;
      }
      if (event.did == executor::TraceEvent::Did::Barrier) {
        kind.barrierSeconds += double(event.ended - event.began) * share;
        keep(Slice::Kind::Barrier, event.began, event.ended, worker, event.launch);
        continue;
      }
      uint64_t work = event.began;
      if (chip.launches[event.launch]->collective)
        work = std::clamp(whenAllCame(number, event.launch, event.micro), event.began, event.ended);
      kind.othersSeconds += double(work - event.began) * share;
      kind.seconds += double(event.ended - work) * share;
      keep(Slice::Kind::Others, event.began, work, worker, event.launch);
      keep(Slice::Kind::Launch, work, event.ended, worker, event.launch);
    }
  }
}

} // namespace tenon::tool
