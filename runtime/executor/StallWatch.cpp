//===- StallWatch.cpp - Does every chip of a step move? -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/StallWatch.h"

#include <chrono>
#include <fmt/core.h>

namespace tenon::executor {

using Clock = std::chrono::steady_clock;

StallWatch::StallWatch(Setup s) : setup(std::move(s)) {
  thread = std::thread([this] { watch(); });
}

StallWatch::~StallWatch() {
  {
    const std::lock_guard lock(mutex);
    ending = true;
  }
  wake.notify_one();
  thread.join();
}

static int32_t placeOf(const WorkerPulse &pulse) {
  return pulse.at.load(std::memory_order_relaxed);
}

uint64_t StallWatch::movement() const {
  uint64_t sum = 0;
  for (std::span<const WorkerPulse> chip : setup.chips)
    for (const WorkerPulse &pulse : chip)
      sum += pulse.done.load(std::memory_order_relaxed);
  return sum;
}

bool StallWatch::behind(uint32_t &chip, uint32_t &worker) const {
  const auto stageOf = [&](size_t c) { return (setup.firstChip + c) / setup.chipsPerStage; };
  for (chip = 0; chip < setup.chips.size(); ++chip)
    for (worker = 0; worker < setup.chips[chip].size(); ++worker)
      for (size_t other = 0; other < setup.chips.size(); ++other)
        for (const WorkerPulse &pulse : setup.chips[other])
          if (stageOf(other) == stageOf(chip) &&
              placeOf(pulse) < placeOf(setup.chips[chip][worker]))
            return true; // The further on, the lower.
  return false;
}

bool StallWatch::blame(uint32_t &chip, std::string &what) const {
  uint32_t worker = 0;
  const auto find = [&](auto &&isIt) {
    for (chip = 0; chip < setup.chips.size(); ++chip)
      for (worker = 0; worker < setup.chips[chip].size(); ++worker)
        if (isIt(placeOf(setup.chips[chip][worker])))
          return true;
    return false;
  };
  const auto meets = [](int32_t at) { return at <= WorkerPulse::Meeting; };
  // Who computes holds the others up; then who is about to; then who has not begun. Who waits for
  // other chips is never to blame while there is anybody else.
  if (find([](int32_t at) { return at >= 0; }))
    what =
        fmt::format("worker {} has been in launch '{}'", worker,
                    setup.nameOf(chip, static_cast<uint32_t>(placeOf(setup.chips[chip][worker]))));
  else if (find([](int32_t at) { return at == WorkerPulse::Between; }))
    what = "its workers have stood between two launches";
  else if (!find(meets))
    return false; // All have done their part.
  else if (find([](int32_t at) { return at == WorkerPulse::Idle; }))
    what = fmt::format("worker {} has not begun its part of a step", worker);
  else if (behind(chip, worker))
    what =
        fmt::format("worker {} has not come out of collective '{}', as others have,", worker,
                    setup.nameOf(chip, static_cast<uint32_t>(WorkerPulse::Meeting -
                                                             placeOf(setup.chips[chip][worker]))));
  else if (find(meets))
    what = "all chips have waited for each other";
  return true;
}

void StallWatch::watch() {
  const auto period = std::chrono::duration<double>(setup.seconds / 8);
  std::unique_lock lock(mutex);
  uint64_t before = 0;
  Clock::time_point moved = Clock::now(), looked = moved;
  while (!wake.wait_for(lock, period, [&] { return ending; })) {
    const Clock::time_point now = Clock::now();
    const uint64_t sum = movement();
    // Whoever was stopped for a while itself judges nobody by what happened meanwhile.
    const bool slept = now - looked > 4 * period;
    looked = now;
    if (slept || sum != before || underWay.load(std::memory_order_relaxed) == 0) {
      before = sum;
      moved = now;
      continue;
    }
    const double still = std::chrono::duration<double>(now - moved).count();
    uint32_t chip = 0;
    std::string what;
    if (still < setup.seconds || !blame(chip, what))
      continue;
    lock.unlock();
    const Status why(StatusCode::Unavailable,
                     fmt::format("hangs: {} for {:.1f} seconds", what, still));
    setup.stalled(chip, why);
    lock.lock();
    wake.wait_for(lock, std::chrono::duration<double>(setup.graceSeconds), [&] { return ending; });
    if (!ending && underWay.load(std::memory_order_relaxed) != 0 && setup.stuck)
      setup.stuck({why.code(), fmt::format("{}chip {}: {}", setup.owner, setup.firstChip + chip,
                                           why.message())});
    return;
  }
}

} // namespace tenon::executor
