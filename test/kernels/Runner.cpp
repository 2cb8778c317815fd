//===- Runner.cpp - Runs a kernel of another architecture -----------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Cross-compiled and started under qemu-user by the kernel tests. Reads one case from standard
// input and writes the buffers back to standard output; every integer is a little-endian u64:
//   object path length, bytes | workers | scratch bytes | kStepCounts | 6 arrays (length, bytes) |
//   buffer count | buffers (length, bytes)

#include "runtime/device/cpu/KernelAbi.h"
#include "test/kernels/StepCounts.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <vector>

static uint64_t number() {
  uint64_t v = 0;
  if (fread(&v, 8, 1, stdin) != 1)
    exit(3);
  return v;
}

/// 64-byte aligned, with room behind for kernels' whole-vector reads.
static void *bytes(uint64_t &size) {
  size = number();
  void *p = aligned_alloc(64, (size + 127) / 64 * 64);
  if (size && fread(p, size, 1, stdin) != 1)
    exit(3);
  return p;
}

int main() {
  uint64_t size;
  char *path = static_cast<char *>(bytes(size));
  void *library = dlopen(std::string(path, size).c_str(), RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 4;
  }
  auto kernel = reinterpret_cast<tenon::cpu::KernelFn>(dlsym(library, "kernel"));
  const uint64_t workers = number(), scratchBytes = number();
  tenon::cpu::StepView step{};
  for (uint32_t tenon::cpu::StepView::*count : tenon::test::kStepCounts)
    step.*count = static_cast<uint32_t>(number());
  for (const int32_t **array :
       {&step.tokenIds, &step.positions, &step.rowSequence, &step.blockTables, &step.logitRows})
    *array = static_cast<const int32_t *>(bytes(size));
  step.attentionTiles = static_cast<const tenon::cpu::AttentionTile *>(bytes(size));
  std::vector<void *> buffers(number());
  std::vector<uint64_t> sizes(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i)
    buffers[i] = bytes(sizes[i]);
  void *scratch = aligned_alloc(64, (scratchBytes + 127) / 64 * 64);
  uint32_t claimed = 0;
  for (uint32_t w = 0; w < workers; ++w)
    kernel(buffers.data(), &step, w, static_cast<uint32_t>(workers), scratch, &claimed);
  for (size_t i = 0; i < buffers.size(); ++i)
    fwrite(buffers[i], sizes[i], 1, stdout);
  return 0;
}
