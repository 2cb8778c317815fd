//===- BaseTest.cpp - Mappings, arenas, workers ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Arena.h"
#include "runtime/base/Clock.h"
#include "runtime/base/FileMapping.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/base/WorkerGroup.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/engine/Checksum.h"

#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tenon;

namespace {

TEST(FileMapping, readsAWholeFileAndSaysWhatFails) {
  const std::string path = testing::TempDir() + "/mapped-" + std::to_string(getpid());
  std::FILE *file = std::fopen(path.c_str(), "wb");
  std::fputs("tenon", file);
  std::fclose(file);
  auto mapped = FileMapping::open(path);
  ASSERT_TRUE(mapped.isOk());
  EXPECT_EQ(mapped->bytes().size(), 5u);
  FileMapping moved = std::move(*mapped);
  EXPECT_EQ(moved.bytes()[4], std::byte('n'));
  EXPECT_EQ(*readTextFile(path), "tenon");
  EXPECT_EQ(FileMapping::open("/nowhere/at/all").status().code(), StatusCode::NotFound);
  EXPECT_EQ(readTextFile(path, 4).status().code(), StatusCode::InvalidArgument);
  EXPECT_TRUE(FileMapping::open("/dev/null").status().message().find("not a regular file") !=
              std::string::npos);
}

TEST(FileMapping, releasedPagesReadTheSameAgain) {
  const std::string path = testing::TempDir() + "/released-" + std::to_string(getpid());
  std::FILE *file = std::fopen(path.c_str(), "wb");
  for (int i = 0; i < 100'000; ++i)
    std::fputc(i % 251, file);
  std::fclose(file);
  auto mapped = FileMapping::open(path);
  ASSERT_TRUE(mapped.isOk());
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < 100'000; ++i)
      ASSERT_EQ(mapped->bytes()[i], std::byte(i % 251));
    mapped->releasePages(0, 100'000);
    mapped->releasePages(5000, ~size_t(0));
    mapped->releasePages(200'000, 1);
  }
}

TEST(FileMappingDeathTest, aPartThatWasGivenUpIsGoneAndTheRestIsNot) {
  const std::string path = testing::TempDir() + "/unmapped-" + std::to_string(getpid());
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::FILE *file = std::fopen(path.c_str(), "wb");
  for (size_t i = 0; i < 4 * page; ++i)
    std::fputc(int(i / page), file);
  std::fclose(file);
  auto mapped = FileMapping::open(path);
  ASSERT_TRUE(mapped.isOk());
  // Whole pages of the range alone: page 1 is only touched, pages 2 and beyond the end are taken.
  ASSERT_TRUE(mapped->unmap(2 * page - 1, page + 1).isOk());
  ASSERT_TRUE(mapped->unmap(10 * page, page).isOk());
  EXPECT_EQ(mapped->bytes()[2 * page - 1], std::byte(1));
  EXPECT_EQ(mapped->bytes()[3 * page], std::byte(3));
  const volatile std::byte *gone = mapped->bytes().data() + 2 * page;
  EXPECT_DEATH((void)*gone, "");
}

TEST(Arena, isZeroedAlignedAndRefusesTheImpossible) {
  for (size_t bytes : {size_t(1), size_t(5000), size_t(5) << 20}) {
    auto arena = Arena::map(bytes, {.hugePages = true, .populate = true}, "a test");
    ASSERT_TRUE(arena.isOk());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->data()) % 4096, 0u);
    EXPECT_EQ(arena->data()[bytes - 1], std::byte{0});
    arena->data()[bytes - 1] = std::byte{1};
  }
  const auto refused = Arena::map(size_t(1) << 60, {}, "a test");
  ASSERT_FALSE(refused.isOk());
  EXPECT_EQ(refused.status().code(), StatusCode::ResourceExhausted);
  EXPECT_NE(refused.status().message().find("for a test"), std::string::npos);
  EXPECT_TRUE(Arena::map(0, {}, "nothing").isOk());
}

TEST(WorkerGroup, runsEveryWorkerAndMeetsAtBarriers) {
  for (uint32_t workers : {1u, 2u, 7u}) {
    WorkerGroup::Options options;
    options.workers = workers;
    auto group = WorkerGroup::start(options);
    ASSERT_TRUE(group.isOk());
    std::vector<int> turn(workers, 0);
    std::atomic<int> wrong{0};
    for (int round = 0; round < 200; ++round)
      (*group)->runEach([&](uint32_t worker) {
        for (int phase = 0; phase < 5; ++phase) {
          ++turn[worker];
          (*group)->barrier().arriveAndWait();
          for (int t : turn)
            wrong += t != turn[worker];
          (*group)->barrier().arriveAndWait();
        }
      });
    EXPECT_EQ(wrong.load(), 0);
    for (int t : turn)
      EXPECT_EQ(t, 1000);
  }
}

TEST(WorkerGroup, doesSeveralTasksInOrderWithoutWaitingForAllWorkers) {
  constexpr uint32_t kTasks = 300;
  for (uint32_t workers : {1u, 2u, 4u})
    for (uint32_t depth : {1u, 2u, 3u}) {
      WorkerGroup::Options options;
      options.workers = workers;
      options.depth = depth;
      auto group = WorkerGroup::start(options);
      ASSERT_TRUE(group.isOk());
      struct Task {
        uint32_t number = 0;
        std::vector<uint32_t> *done; ///< By worker: how many tasks it has done.
        std::atomic<uint32_t> *wrong, finished{0};
      };
      std::vector<uint32_t> done(workers, 0);
      std::atomic<uint32_t> wrong{0};
      std::vector<Task> tasks(kTasks);
      const auto work = [](void *context, uint32_t worker) {
        Task &task = *static_cast<Task *>(context);
        *task.wrong += (*task.done)[worker]++ != task.number;
        ++task.finished;
      };
      for (uint32_t begun = 0, ended = 0; ended < kTasks; ++ended) {
        for (; begun < kTasks && begun - ended < depth; ++begun) {
          tasks[begun].number = begun;
          tasks[begun].done = &done;
          tasks[begun].wrong = &wrong;
          (*group)->begin(work, &tasks[begun]);
        }
        (*group)->end();
        ASSERT_EQ(tasks[ended].finished.load(), workers);
      }
      EXPECT_EQ(wrong.load(), 0u);
    }
  // With two under way, the caller may finish a second task while another worker is in its first.
  WorkerGroup::Options options;
  options.workers = 2;
  options.depth = 2;
  auto group = WorkerGroup::start(options);
  ASSERT_TRUE(group.isOk());
  std::atomic<uint32_t> callersTasks{0};
  const auto waitForCaller = [](void *context, uint32_t worker) {
    auto &count = *static_cast<std::atomic<uint32_t> *>(context);
    if (worker == 0)
      ++count;
    else
      while (count < 2)
        std::this_thread::yield();
  };
  (*group)->begin(waitForCaller, &callersTasks);
  (*group)->begin(waitForCaller, &callersTasks);
  (*group)->end();
  (*group)->end();
}

TEST(WorkerGroup, usesNoProcessorTimeWhenIdle) {
  WorkerGroup::Options options;
  options.workers = 4;
  auto group = WorkerGroup::start(options);
  ASSERT_TRUE(group.isOk());
  (*group)->runEach([](uint32_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50)); // past the bounded spin
  timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double spent =
      double(after.tv_sec - before.tv_sec) + double(after.tv_nsec - before.tv_nsec) * 1e-9;
  EXPECT_LT(spent, 0.01);
}

TEST(WorkerGroup, refusesImpossibleSizes) {
  WorkerGroup::Options options;
  options.workers = 0;
  EXPECT_EQ(WorkerGroup::start(options).status().code(), StatusCode::InvalidArgument);
  options.workers = 2;
  options.processors = {0};
  EXPECT_EQ(WorkerGroup::start(options).status().code(), StatusCode::InvalidArgument);
}

TEST(ProcessMemory, countsResidentPages) {
  const uint64_t before = residentBytes();
  ASSERT_GT(before, 0u);
  auto arena = Arena::map(size_t(32) << 20, {.hugePages = false, .populate = true}, "a test");
  ASSERT_TRUE(arena.isOk());
  EXPECT_GE(residentBytes(), before + (size_t(31) << 20));
  EXPECT_GE(peakResidentBytes(), size_t(32) << 20);
}

/// A tree with what availableBytes reads, of a process in the group /a/b.
class FakeMachine {
public:
  FakeMachine() {
    std::filesystem::remove_all(root);
    write("/proc/meminfo",
          "MemTotal:       24000000 kB\nMemFree:         1 kB\nMemAvailable:    8000000 kB\n");
    write("/proc/self/cgroup", "4:memory:/elsewhere\n0::/a/b\n");
  }
  ~FakeMachine() { std::filesystem::remove_all(root); }
  void write(const std::string &path, const std::string &text) const {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  uint64_t available() const { return availableBytes(root).value(); }

private:
  const std::string root = testing::TempDir() + "/machine-" + std::to_string(getpid());
};

TEST(ProcessMemory, takesTheLeastOfTheMachineAndAllControlGroupsForAvailable) {
  const FakeMachine machine;
  EXPECT_EQ(machine.available(), 8'192'000'000u);
  machine.write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  machine.write("/sys/fs/cgroup/a/b/memory.current", "500\n");
  EXPECT_EQ(machine.available(), 8'192'000'000u);
  machine.write("/sys/fs/cgroup/a/memory.max", "4000000000\n");
  machine.write("/sys/fs/cgroup/a/memory.current", "3000000000\n");
  EXPECT_EQ(machine.available(), 1'000'000'000u);
  machine.write("/sys/fs/cgroup/a/memory.stat",
                "anon 7\nfile 9\ninactive_file 500000000\nactive_file 1\n");
  EXPECT_EQ(machine.available(), 1'500'000'000u);
  machine.write("/sys/fs/cgroup/a/b/memory.max", "600\n");
  EXPECT_EQ(machine.available(), 100u);
  machine.write("/sys/fs/cgroup/a/b/memory.current", "601\n");
  EXPECT_EQ(machine.available(), 0u) << "nothing is left, which is known";
}

TEST(ProcessMemory, findsWhatThisMachineHasAvailable) {
  EXPECT_GT(availableBytes().value(), uint64_t(16) << 20);
  EXPECT_FALSE(availableBytes("/nowhere").has_value());
}

TEST(Topology, findsAtLeastOneProcessor) {
  const cpu::Topology &t = cpu::readTopology();
  EXPECT_GE(t.processors.size(), 1u);
  EXPECT_GE(t.usefulWorkers, 1u);
  EXPECT_LE(t.usefulWorkers, t.processors.size());
}

TEST(Topology, isThatOfTheProcessEvenFromAPinnedThread) {
  const size_t all = cpu::readTopology().processors.size();
  WorkerGroup::Options options;
  options.processors = {cpu::readTopology().processors[0]};
  std::thread([&] {
    auto pinned = WorkerGroup::start(options);
    ASSERT_TRUE(pinned.isOk());
    EXPECT_EQ(cpu::readTopology().processors.size(), all);
  }).join();
}

TEST(CpuFeatures, variantsAreChosenBestFirst) {
  using engine::Variant;
  const std::vector<Variant> both = {Variant::Avx2, Variant::Avx512};
  cpu::CpuFeatures old;
  old.avx2 = true;
  EXPECT_EQ(*cpu::chooseVariant(both, {}, old), Variant::Avx2);
  cpu::CpuFeatures newer = old;
  newer.avx512 = true;
  EXPECT_EQ(*cpu::chooseVariant(both, {}, newer), Variant::Avx512);
  EXPECT_EQ(*cpu::chooseVariant(both, Variant::Avx2, newer), Variant::Avx2);
  const auto refused = cpu::chooseVariant(both, Variant::Avx512, old);
  ASSERT_FALSE(refused.isOk());
  EXPECT_EQ(refused.status().message(),
            "--variant avx512 needs AVX-512 F, CD, BW, DQ, VL and VNNI, which this machine lacks");
  cpu::CpuFeatures client = old; // VNNI without AVX-512
  client.avxVnni = true;
  EXPECT_EQ(*cpu::chooseVariant(cpu::kVariants, {}, client), Variant::AvxVnni);
  EXPECT_EQ(*cpu::chooseVariant(both, {}, client), Variant::Avx2);

  cpu::CpuFeatures arm; // AArch64, without and with i8mm
  arm.neon = true;
  EXPECT_EQ(*cpu::chooseVariant(cpu::kVariants, {}, arm), Variant::Neon);
  arm.neonI8mm = true;
  EXPECT_EQ(*cpu::chooseVariant(cpu::kVariants, {}, arm), Variant::NeonI8mm);
  EXPECT_EQ(cpu::parseVariant("neoni8mm"), Variant::NeonI8mm);
  EXPECT_EQ(cpu::parseVariant("amx"), Variant::Amx);
  for (Variant variant : cpu::kVariants)
    EXPECT_EQ(cpu::parseVariant(cpu::variantName(variant)), variant);
  EXPECT_EQ(cpu::parseVariant("none"), std::nullopt);
}

TEST(Checksum, streamsToTheSameValue) {
  std::vector<char> bytes(100'000);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = char(i * 31);
  engine::StreamingChecksum stream;
  stream.update(bytes.data(), 777);
  stream.update(bytes.data() + 777, bytes.size() - 777);
  EXPECT_EQ(stream.digest(), engine::checksum128(bytes.data(), bytes.size()));
  bytes[5] ^= 1;
  EXPECT_NE(stream.digest(), engine::checksum128(bytes.data(), bytes.size()));
}

} // namespace
