//===- SpinBarrier.h - Waiting that is quick and still polite ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Between launches of a step the wait is a microsecond, so workers spin. Where a processor is
// shared with somebody else, spinning only delays the worker that is waited for: after a bounded
// spin a waiter yields a few times and then sleeps in the kernel.
//
#ifndef TENON_RUNTIME_BASE_SPINBARRIER_H
#define TENON_RUNTIME_BASE_SPINBARRIER_H

#include <atomic>
#include <cstdint>

namespace tenon {

/// How long to wait before sleeping.
struct SpinPolicy {
  uint32_t spins = 2048; ///< `pause` instructions; 0 where there are more threads than processors.
  uint32_t yields = 16;  ///< sched_yield calls after that.
};

/// A 32-bit word that threads wait on until it changes. All members may be called by any thread.
class WaitWord {
public:
  uint32_t load() const { return word.load(std::memory_order_acquire); }

  /// Returns once the word differs from `old`.
  void waitWhile(uint32_t old, SpinPolicy policy);

  /// Stores `value` and wakes every sleeper. What was written before is visible to the woken.
  void publish(uint32_t value);

  /// Wakes every waiter with a value that none of them waits for; a flag that was stored before,
  /// and that waiters read after they have read the word, tells them why.
  void disturb() { publish(load() ^ 0x8000'0000u); }

private:
  std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> sleepers{0};
};

/// A reusable barrier for a fixed number of threads, until one of them breaks it.
class SpinBarrier {
public:
  SpinBarrier(uint32_t parties, SpinPolicy policy) : parties(parties), policy(policy) {}

  /// Returns true when all parties have arrived; what they wrote before is then visible. False, at
  /// once, from when the barrier is broken.
  bool arriveAndWait() {
    const uint32_t generation = phase.load();
    if (broken.load(std::memory_order_seq_cst))
      return false;
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == parties) {
      arrived.store(0, std::memory_order_relaxed);
      phase.publish(generation + 1);
      return true;
    }
    phase.waitWhile(generation, policy);
    return !broken.load(std::memory_order_seq_cst);
  }

  /// For good, by any thread: whoever waits or will wait goes on at once.
  void breakUp() {
    broken.store(true, std::memory_order_seq_cst);
    phase.disturb();
  }

private:
  const uint32_t parties;
  const SpinPolicy policy;
  alignas(64) std::atomic<uint32_t> arrived{0};
  alignas(64) WaitWord phase;
  std::atomic<bool> broken{false};
};

} // namespace tenon

#endif // TENON_RUNTIME_BASE_SPINBARRIER_H
