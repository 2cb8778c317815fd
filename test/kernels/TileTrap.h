//===- TileTrap.h - AMX instructions on processors without them -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Where there is no AMX its instructions raise SIGILL. The trap decodes the very bytes that were
// emitted, carries them out on tiles in memory (Intel's Software Developer's Manual, volume 2,
// chapter on AMX), and goes on behind them: the kernels under test are those that ship. What a
// processor would refuse (an instruction without a configuration, a shape that does not fit, a bad
// configuration) ends the test program.
//
#ifndef TENON_TEST_KERNELS_TILETRAP_H
#define TENON_TEST_KERNELS_TILETRAP_H

#include <cstdint>

namespace tenon::test {

/// Whether the trap can stand in for AMX here: an x86-64 with the variant's other instructions,
/// without AMX.
bool canTrapTiles();

/// What ran while trapped, on this thread.
struct TileCounts {
  uint64_t configurations = 0, releases = 0, loads = 0, zeros = 0, products = 0, stores = 0;
};

/// While it lives, tile instructions of this thread are carried out. One at a time.
class TileTrap {
public:
  TileTrap();
  ~TileTrap();
  TileTrap(const TileTrap &) = delete;
  TileTrap &operator=(const TileTrap &) = delete;

  const TileCounts &counts() const;
  /// Whether tiles are in use, as after a kernel that forgot to release them.
  bool inUse() const;
};

} // namespace tenon::test

#endif // TENON_TEST_KERNELS_TILETRAP_H
