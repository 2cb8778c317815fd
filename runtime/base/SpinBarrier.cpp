//===- SpinBarrier.cpp - Waiting that is quick and still polite -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/SpinBarrier.h"

#include <climits>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenon {

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

static void futex(std::atomic<uint32_t> &word, int operation, uint32_t value) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void WaitWord::waitWhile(uint32_t old, SpinPolicy policy) {
  for (uint32_t i = 0; i < policy.spins; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    relax();
  }
  for (uint32_t i = 0; i < policy.yields; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    sched_yield();
  }
  // Sequentially consistent on both sides: either publish() sees the sleeper, or the futex call
  // sees the new word and returns at once.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == old)
    futex(word, FUTEX_WAIT, old);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void WaitWord::publish(uint32_t value) {
  word.store(value, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) != 0)
    futex(word, FUTEX_WAKE, INT_MAX);
}

} // namespace tenon
