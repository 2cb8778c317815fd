//===- AllocationTest.cpp - The token path allocates nothing --------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Counts the allocations of the test program, by functions of its own.
//
#include "runtime/base/Sanitizer.h"
#include "runtime/generate/Generator.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <unistd.h>

static std::atomic<uint64_t> allocations{0};

#if TENON_SANITIZED
// A sanitizer has these functions itself, and tells of every allocation, C's too.
#include <sanitizer/allocator_interface.h>
[[maybe_unused]] static const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void *, size_t) { allocations.fetch_add(1, std::memory_order_relaxed); },
    [](const volatile void *) {});
#else
void *operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void *at = std::malloc(bytes ? bytes : 1))
    return at;
  throw std::bad_alloc();
}
void operator delete(void *at) noexcept { std::free(at); }
void operator delete(void *at, size_t) noexcept { std::free(at); }
#endif

using namespace tenon;
using namespace tenon::test;

namespace {

/// Four or more requests, of which each wants something else of the sampler.
void expectNoAllocations(const TinyEngine &tiny, uint32_t sequences, bool overlaps) {
  const std::string path =
      testing::TempDir() + "/allocation-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, tiny.write());
  auto engine = engine::Engine::open(path, {});
  unlink(path.c_str()); // It stays mapped.
  ASSERT_TRUE(engine.isOk());
  executor::CapacityRequest request;
  request.stepTokens = 16;
  request.sequences = sequences;
  request.workers = 2;
  const auto capacity = executor::chooseCapacity((*engine)->plan(), request);
  ASSERT_TRUE(capacity.isOk());
  auto executor = executor::Executor::create(**engine, *capacity, {.pin = false});
  ASSERT_TRUE(executor.isOk());
  generate::Generator generator(**executor, (*engine)->plan());
  for (int s = 0; s < int(sequences); ++s) {
    generate::Request r;
    r.prompt = {1, 2, 3, s};
    r.maxNewTokens = 60; // crosses several KV blocks
    r.sampling.temperature = s % 2 ? 0.8f : 0;
    r.sampling.topP = 0.9f;
    r.sampling.topK = s == 3 ? 5 : 0;
    r.sampling.presencePenalty = s == 1 ? 0.5f : 0;
    r.sampling.topLogprobs = s == 0 ? 3 : 0;
    ASSERT_TRUE(generator.add(std::move(r)).isOk());
  }
  generate::Listener listener;
  ASSERT_TRUE(generator.step(listener)); // first use sizes what is sized once
  const uint64_t before = allocations.load();
  ASSERT_GT(before, 0u); // They are counted.
  int steps = 1, overlapping = 0;
  for (; steps < 59; ++steps) {
    ASSERT_TRUE(generator.step(listener));
    overlapping += (*executor)->inFlight() > 0;
  }
  EXPECT_EQ(allocations.load() - before, 0u) << "in " << steps << " steps";
  EXPECT_EQ(overlapping > 0, overlaps);
}

TEST(Generator, stepsWithoutAllocating) {
  expectNoAllocations(TinyEngine::make(TENON_TINY_KERNELS), 4, false);
}

TEST(Generator, overlapsStepsWithoutAllocating) {
  expectNoAllocations(TinyEngine::makePipeline(TENON_TINY_KERNELS, 2), 12, true);
}

} // namespace
