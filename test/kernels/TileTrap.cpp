//===- TileTrap.cpp - AMX instructions on processors without them ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/kernels/TileTrap.h"

#include "runtime/device/cpu/CpuFeatures.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#if defined(__x86_64__) && defined(__linux__)
#include <ucontext.h>

namespace tenon::test {
namespace {

struct Tile {
  uint8_t bytes[16][64];
};

struct TileState {
  bool configured = false;
  uint8_t rows[8] = {};
  uint16_t rowBytes[8] = {};
  Tile tiles[8] = {};
  TileCounts counts;
};

thread_local TileState state;
struct sigaction formerAction;

/// Async-signal-safe: says why and ends the process, as an instruction that the processor refuses
/// would.
[[noreturn]] void refuse(const char *why) {
  for (const char *part : {"tile instruction refused: ", why, "\n"})
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0)
      break;
  std::abort();
}

/// General register `number` as instructions count them.
uint64_t registerOf(const ucontext_t &context, unsigned number) {
  constexpr int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                             REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                             REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context.uc_mcontext.gregs[order[number]]);
}

/// A decoded VEX instruction of map 0F38 with a ModRM byte.
struct Instruction {
  uint8_t opcode, prefix;       ///< prefix: 0 none, 1 66, 2 F3, 3 F2
  uint8_t mod, reg, rm, source; ///< source: VEX.vvvv
  bool sib = false;
  uint64_t base = 0;  ///< Base and displacement.
  uint64_t index = 0; ///< Index register times scale; 0 without.
  unsigned length = 0;
};

template <typename T> T read(const uint8_t *at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

bool decode(const ucontext_t &context, Instruction &i) {
  const auto *start = reinterpret_cast<const uint8_t *>(context.uc_mcontext.gregs[REG_RIP]),
             *at = start;
  if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 ||
      (at[2] & 0x84) != 0) // three bytes, 0F38, W0, 128 bits
    return false;
  const unsigned extendIndex = at[1] & 0x40 ? 0 : 8, extendBase = at[1] & 0x20 ? 0 : 8;
  i.source = ~(at[2] >> 3) & 15;
  i.prefix = at[2] & 3;
  i.opcode = at[3];
  const uint8_t modrm = at[4];
  i.mod = modrm >> 6;
  i.reg = modrm >> 3 & 7;
  i.rm = modrm & 7;
  at += 5;
  if (i.mod != 3) {
    unsigned base = i.rm;
    bool hasBase = true;
    if (i.rm == 4) {
      i.sib = true;
      const uint8_t sib = *at++;
      base = sib & 7;
      const unsigned index = (sib >> 3 & 7) + extendIndex;
      if (index != 4)
        i.index = registerOf(context, index) << (sib >> 6);
    }
    if (base == 5 && i.mod == 0) {
      hasBase = false;
      i.base = static_cast<uint64_t>(int64_t(read<int32_t>(at)));
      at += 4;
    } else if (i.mod == 1) {
      i.base = static_cast<uint64_t>(int64_t(read<int8_t>(at)));
      at += 1;
    } else if (i.mod == 2) {
      i.base = static_cast<uint64_t>(int64_t(read<int32_t>(at)));
      at += 4;
    }
    if (hasBase)
      i.base += registerOf(context, base + extendBase);
    else if (!i.sib) // relative to the next instruction
      i.base += reinterpret_cast<uint64_t>(at);
  }
  i.length = static_cast<unsigned>(at - start);
  return true;
}

void configure(const uint8_t *from) {
  state = TileState{.counts = state.counts};
  ++state.counts.configurations;
  if (from[0] == 0)
    return;
  if (from[0] != 1 || from[1] != 0)
    refuse("a configuration with a palette other than 1, or in the middle of a tile");
  for (int b = 2; b < 16; ++b)
    if (from[b])
      refuse("a configuration with reserved bytes set");
  for (int tile = 0; tile < 16; ++tile) {
    const uint16_t rowBytes = read<uint16_t>(from + 16 + 2 * tile);
    const uint8_t rows = from[48 + tile];
    if (tile >= 8 ? rowBytes || rows : rowBytes > 64 || rows > 16 || !rowBytes != !rows)
      refuse("a configuration with an impossible shape");
    if (tile < 8) {
      state.rowBytes[tile] = rowBytes;
      state.rows[tile] = rows;
    }
  }
  state.configured = true;
}

void needTile(unsigned tile) {
  if (!state.configured)
    refuse("no tiles are configured");
  if (!state.rows[tile])
    refuse("the tile has no shape");
}

/// sum += a . b with the signs that the mandatory prefix states.
void multiply(unsigned sum, unsigned a, unsigned b, uint8_t prefix) {
  needTile(sum), needTile(a), needTile(b);
  if (sum == a || sum == b || a == b)
    refuse("a product of tiles that are not distinct");
  const bool signedA = prefix >= 2, signedB = prefix == 3 || prefix == 1;
  if (state.rowBytes[a] % 4 || state.rowBytes[b] % 4 || state.rowBytes[sum] != state.rowBytes[b] ||
      state.rows[a] != state.rows[sum] || state.rowBytes[a] / 4 != state.rows[b])
    refuse("a product of tiles whose shapes do not fit");
  for (int m = 0; m < state.rows[sum]; ++m)
    for (int n = 0; n < state.rowBytes[sum] / 4; ++n) {
      auto total = read<uint32_t>(state.tiles[sum].bytes[m] + 4 * n);
      for (int i = 0; i < state.rowBytes[a]; ++i) {
        const uint8_t x = state.tiles[a].bytes[m][i],
                      y = state.tiles[b].bytes[i / 4][4 * n + i % 4];
        total +=
            static_cast<uint32_t>((signedA ? int8_t(x) : int(x)) * (signedB ? int8_t(y) : int(y)));
      }
      std::memcpy(state.tiles[sum].bytes[m] + 4 * n, &total, 4);
    }
  // Rows that the shape does not have are cleared.
  for (int m = state.rows[sum]; m < 16; ++m)
    std::memset(state.tiles[sum].bytes[m], 0, 64);
  ++state.counts.products;
}

/// Carries out the instruction; false if it is none of AMX's integer ones.
bool execute(const Instruction &i) {
  auto *memory = reinterpret_cast<uint8_t *>(i.base);
  switch (i.opcode) {
  case 0x49: // configuration, release, zero
    if (i.prefix == 0 && i.mod != 3 && i.reg == 0)
      return configure(memory + i.index), true;
    if (i.prefix == 0 && i.mod == 3 && i.reg == 0 && i.rm == 0) {
      state = TileState{.counts = state.counts};
      return ++state.counts.releases, true;
    }
    if (i.prefix == 3 && i.mod == 3 && i.rm == 0) {
      needTile(i.reg);
      std::memset(&state.tiles[i.reg], 0, sizeof(Tile));
      return ++state.counts.zeros, true;
    }
    return false;
  case 0x4b: // load and store; the index register is the stride
    if (!i.sib || i.mod == 3 || (i.prefix != 3 && i.prefix != 2))
      return false;
    needTile(i.reg);
    if (i.prefix == 3)
      std::memset(&state.tiles[i.reg], 0, sizeof(Tile));
    for (int row = 0; row < state.rows[i.reg]; ++row) {
      uint8_t *inTile = state.tiles[i.reg].bytes[row], *inMemory = memory + int64_t(i.index) * row;
      if (i.prefix == 3)
        std::memcpy(inTile, inMemory, state.rowBytes[i.reg]);
      else
        std::memcpy(inMemory, inTile, state.rowBytes[i.reg]);
    }
    ++(i.prefix == 3 ? state.counts.loads : state.counts.stores);
    return true;
  case 0x5e:
    if (i.mod != 3)
      return false;
    return multiply(i.reg, i.rm, i.source, i.prefix), true;
  }
  return false;
}

void onIllegalInstruction(int, siginfo_t *, void *raw) {
  auto &context = *static_cast<ucontext_t *>(raw);
  Instruction instruction{};
  if (!decode(context, instruction) || !execute(instruction))
    refuse("not one that the trap knows");
  context.uc_mcontext.gregs[REG_RIP] += instruction.length;
}

} // namespace

bool canTrapTiles() {
  const cpu::CpuFeatures &features = cpu::cpuFeatures();
  return features.avx512 && !features.amx;
}

TileTrap::TileTrap() {
  state = {};
  struct sigaction action = {};
  action.sa_sigaction = onIllegalInstruction;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, &formerAction);
}

TileTrap::~TileTrap() { sigaction(SIGILL, &formerAction, nullptr); }

const TileCounts &TileTrap::counts() const { return state.counts; }
bool TileTrap::inUse() const { return state.configured; }

} // namespace tenon::test

#else

namespace tenon::test {

static const TileCounts none;
bool canTrapTiles() { return false; }
TileTrap::TileTrap() = default;
TileTrap::~TileTrap() = default;
const TileCounts &TileTrap::counts() const { return none; }
bool TileTrap::inUse() const { return false; }

} // namespace tenon::test

#endif
