//===- ChipProbe.cpp - The limits of this machine, measured ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/ChipProbe.h"

#include "runtime/base/Clock.h"
#include "runtime/device/cpu/ChipProbeLoops.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <time.h>
#include <vector>

namespace tenon::cpu {

namespace {

/// Keeps the compiler from dropping a computation.
std::atomic<uint64_t> sink;

uint64_t threadNanos() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000 + uint64_t(t.tv_nsec);
}

struct alignas(64) WorkerPass {
  uint64_t began = 0, ended = 0, busy = 0;
};

/// The rates of passes that do the same in one way.
struct PassRates {
  std::vector<double> clean, all;

  ProbeRate summary() {
    std::vector<double> &counted = clean.size() * 10 >= all.size() ? clean : all;
    std::sort(counted.begin(), counted.end());
    return {counted[counted.size() / 2], counted.back(), static_cast<uint32_t>(all.size()),
            static_cast<uint32_t>(all.size() - clean.size())};
  }
};

/// Undisturbed passes of each way worth waiting for.
constexpr size_t kEnoughPasses = 16;

/// Runs body(worker, pass) on the first `active` workers for about `seconds`, one pass after the
/// other; `work` is what they do together in a pass. Pass p works in way p % ways: taking turns,
/// all ways meet the same machine. Returns the way with the best median.
template <typename Body>
ProbeRate measurePasses(WorkerGroup &group, uint32_t active, double seconds, double work,
                        uint32_t ways, Body &&body) {
  std::vector<WorkerPass> workers(active);
  std::vector<PassRates> rates(ways);
  const Stopwatch total;
  // The first passes warm caches, page tables and clock. On a busy machine it takes longer to get
  // enough that count, within reason.
  const uint32_t warm = 2 * ways;
  const auto wanted = [&](uint32_t pass) {
    const double spent = total.seconds();
    return pass < 2 * warm || spent < seconds ||
           (spent < 4 * seconds &&
            std::any_of(
                rates.begin(), rates.end(),
                [](const PassRates &r) { return r.clean.size() < kEnoughPasses; }));
  };
  for (uint32_t pass = 0; wanted(pass); ++pass) {
    group.runEach([&](uint32_t worker) {
      group.barrier().arriveAndWait();
      if (worker >= active)
        return;
      WorkerPass &mine = workers[worker];
      const uint64_t cpu = threadNanos();
      mine.began = nowNanos();
      body(worker, pass);
      mine.ended = nowNanos();
      mine.busy = threadNanos() - cpu;
    });
    if (pass < warm)
      continue;
    uint64_t first = UINT64_MAX, last = 0;
    bool disturbed = false;
    for (const WorkerPass &w : workers) {
      first = std::min(first, w.began);
      last = std::max(last, w.ended);
    }
    // A worker that was kept waiting, or that started late, shared the pass with somebody else.
    const uint64_t slack = (last - first) / 32 + 1000;
    for (const WorkerPass &w : workers)
      disturbed |= w.busy + slack < w.ended - w.began || w.began > first + slack;
    const double rate = work * 1e9 / double(std::max<uint64_t>(last - first, 1));
    rates[pass % ways].all.push_back(rate);
    if (!disturbed)
      rates[pass % ways].clean.push_back(rate);
  }
  ProbeRate best;
  for (PassRates &way : rates)
    if (const ProbeRate rate = way.summary(); rate.median > best.median)
      best = rate;
  return best;
}

/// Bytes that a worker reads in one pass.
constexpr uint64_t kPassBytes = uint64_t(16) << 20;
constexpr uint64_t kReadGrain = 64 << 10;

} // namespace

StatusOr<ReadProbe> ReadProbe::create(WorkerGroup &group, uint64_t bytesEach) {
  constexpr uint64_t hugePage = uint64_t(2) << 20;
  const uint64_t part = (bytesEach + hugePage - 1) / hugePage * hugePage;
  auto buffer = Arena::map(part * group.size(), {.hugePages = true, .populate = false},
                           "the bandwidth probe");
  if (!buffer)
    return buffer.status();
  group.runEach(
      [&](uint32_t worker) { std::memset(buffer->data() + worker * part, 1 + int(worker), part); });
  return ReadProbe(group, std::move(*buffer), part);
}

ProbeRate ReadProbe::measure(uint32_t readers, uint64_t bytesEach, double seconds) const {
  const uint64_t bytes = std::min(bytesEach, partBytes) / kReadGrain * kReadGrain;
  const uint64_t slice = std::min(bytes, kPassBytes), slices = bytes / slice;
  const uint64_t repeats = std::max<uint64_t>(1, kPassBytes / slice);
  const std::span<const ReadLoop> loops = readLoops();
  return measurePasses(*group, readers, seconds, double(slice * repeats * readers), loops.size(),
                       [&](uint32_t worker, uint32_t pass) {
                         const std::byte *at =
                             buffer.data() + worker * partBytes + pass % slices * slice;
                         uint64_t sum = 0;
                         for (uint64_t r = 0; r < repeats; ++r)
                           sum += loops[pass % loops.size()](at, slice);
                         sink.fetch_add(sum, std::memory_order_relaxed);
                       });
}

uint64_t ReadProbe::hugeBytes() const {
  std::FILE *file = std::fopen("/proc/self/smaps", "r");
  if (!file)
    return 0;
  const auto wanted = reinterpret_cast<uintptr_t>(buffer.data());
  char line[256];
  uint64_t bytes = 0;
  bool inside = false;
  while (std::fgets(line, sizeof(line), file)) {
    unsigned long low, high, kilobytes;
    if (std::sscanf(line, "%lx-%lx ", &low, &high) == 2)
      inside = low < wanted + buffer.size() && high > wanted;
    else if (inside && std::sscanf(line, "AnonHugePages: %lu kB", &kilobytes) == 1)
      bytes += uint64_t(kilobytes) * 1024;
  }
  std::fclose(file);
  return std::min<uint64_t>(bytes, buffer.size());
}

ProbeRate probeMacs(WorkerGroup &group, MacUnit unit, uint32_t computing, double seconds) {
  const MacLoop loop = macLoop(unit);
  if (!loop.run)
    return {};
  constexpr uint32_t calls = 8;
  return measurePasses(group, computing, seconds, loop.macs * calls * computing, 1,
                       [&](uint32_t, uint32_t) {
                         for (uint32_t c = 0; c < calls; ++c)
                           loop.run();
                       });
}

std::string_view macUnitName(MacUnit unit) {
  switch (unit) {
  case MacUnit::F32:
    return "f32";
  case MacUnit::Bf16:
    return "bf16";
  case MacUnit::Int8:
    return "int8";
  case MacUnit::AmxBf16:
    return "amx_bf16";
  case MacUnit::AmxInt8:
    return "amx_int8";
  }
  return "unknown";
}

} // namespace tenon::cpu
