//===- PlanArena.cpp - Places in the activation arena ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/Passes.h"
#include "passes/memory/StepWalk.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_PLANARENAPASS
#include "passes/memory/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
/// A step that sizes and places are compared at. Correctness does not depend on it.
constexpr uint64_t kTokens = 512, kRows = 16, kWorkers = 8;

uint64_t sizeAt(ExtentAttr extent) { return extent.at(kTokens, kRows, kWorkers); }

/// Places buffers one after the other, clear of those that interfere.
class Placer {
public:
  /// `apart[i]` are the buffers that must not share bytes with buffer i.
  Placer(SmallVector<ExtentAttr> sizes, std::vector<llvm::BitVector> apart)
      : sizes(std::move(sizes)), apart(std::move(apart)), placed(this->sizes.size()),
        offsets(this->sizes.size()) {}

  SmallVector<ExtentAttr> run() {
    auto order = llvm::to_vector(llvm::seq<unsigned>(0, sizes.size()));
    llvm::sort(order, [&](unsigned a, unsigned b) {
      const uint64_t sizeA = sizeAt(sizes[a]), sizeB = sizeAt(sizes[b]);
      return sizeA != sizeB ? sizeA > sizeB : a < b;
    });
    for (unsigned buffer : order) {
      offsets[buffer] = lowestPlace(buffer);
      placed.set(buffer);
    }
    return offsets;
  }

private:
  ExtentAttr end(unsigned buffer) { return offsets[buffer].plus(sizes[buffer]); }

  /// Beginning and ends of the neighbours are the only places worth trying; behind all of them is
  /// always free.
  ExtentAttr lowestPlace(unsigned buffer) {
    llvm::BitVector neighbours = apart[buffer];
    neighbours &= placed;
    auto zero = ExtentAttr::get(sizes[buffer].getContext(), 0, 0, 0, 0);
    ExtentAttr behindAll = zero;
    SmallVector<ExtentAttr> places = {zero};
    for (unsigned other : neighbours.set_bits()) {
      places.push_back(end(other));
      behindAll = behindAll.max(end(other));
    }
    places.push_back(behindAll);
    ExtentAttr best = behindAll;
    for (ExtentAttr place : places) {
      ExtentAttr last = place.plus(sizes[buffer]);
      if (sizeAt(place) < sizeAt(best) && llvm::all_of(neighbours.set_bits(), [&](unsigned other) {
            return last.fitsIn(offsets[other]) || end(other).fitsIn(place);
          }))
        best = place;
    }
    return best;
  }

  SmallVector<ExtentAttr> sizes;
  std::vector<llvm::BitVector> apart;
  llvm::BitVector placed;
  SmallVector<ExtentAttr> offsets;
};

struct PlanArenaPass : mlir::tenon::impl::PlanArenaPassBase<PlanArenaPass> {
  void runOnOperation() override {
    for (uint32_t program = 0; program < getOperation().getNumPrograms(); ++program)
      place(program);
  }

  /// SPMD: the same places on every chip that runs `program`.
  void place(uint32_t program) {
    EngineOp engine = getOperation();
    StepWalk walk(engine, program);
    SmallVector<ExtentAttr> sizes;
    for (BufferOp buffer : walk.buffers())
      sizes.push_back(buffer.getSize());
    SmallVector<ExtentAttr> offsets = Placer(sizes, walk.interference()).run();
    auto arena = ExtentAttr::get(&getContext(), 0, 0, 0, 0);
    for (auto [size, offset] : llvm::zip_equal(sizes, offsets))
      arena = arena.max(offset.plus(size));
    for (ChipOp chip : engine.getOps<ChipOp>()) {
      if (chip.getProgramNumber() != program)
        continue;
      chip.setArenaAttr(arena);
      for (auto [buffer, offset] : llvm::zip_equal(chip.getBody().getOps<BufferOp>(), offsets))
        buffer.setOffsetAttr(offset);
    }
  }
};
} // namespace
