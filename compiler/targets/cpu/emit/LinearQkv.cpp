//===- LinearQkv.cpp - Q, K and V with rope and the cache write -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/Kernels.h"
#include "compiler/targets/cpu/emit/LinearLoop.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {
namespace {

/// One head of one row, in the tile: headDim f32.
struct HeadRow {
  KernelBuilder &k;
  const KernelSpec &spec;
  Value tile; ///< pointer to headDim f32
  Value row;  ///< row of the step

  int64_t vectors() const { return spec.headDim / kLanes; }
  Value get(int64_t i) const { return k.load(k.vec(k.f32), tile, {}, i * kLanes * 4); }

  void norm(Value weight) const {
    Value squares = k.splatF32(0);
    for (int64_t i = 0; i < vectors(); ++i) {
      Value v = get(i);
      squares = k.fma(v, v, squares);
    }
    Value mean = k.mulF(emitSum(k, squares), k.constF32(1.0 / spec.headDim));
    Value inverse = k.divF(k.constF32(1.0), k.sqrt(k.addF(mean, k.constF32(spec.eps))));
    for (int64_t i = 0; i < vectors(); ++i) {
      Value w = k.load(k.vec(k.f32), weight, {}, i * kLanes * 4);
      k.store(k.mulF(k.mulF(get(i), k.splat(inverse)), w), tile, {}, i * kLanes * 4);
    }
  }

  /// Element pairs (i, i + half) rotated by the table's angle of this row; loops by lane where half
  /// is not a multiple of 16.
  void rotate(Value table) const {
    const int64_t half = spec.rotary / 2;
    Value angles = k.at(table, k.mulC(row, half * 8));
    auto pair = [&](Type type, Value offset) {
      Value x = k.load(type, tile, offset), y = k.load(type, tile, offset, half * 4);
      Value c = k.load(type, angles, offset), s = k.load(type, angles, offset, half * 4);
      k.store(k.subF(k.mulF(x, c), k.mulF(y, s)), tile, offset);
      k.store(k.addF(k.mulF(y, c), k.mulF(x, s)), tile, offset, half * 4);
    };
    const int64_t vectorEnd = half / kLanes * kLanes;
    for (int64_t i = 0; i < vectorEnd; i += kLanes)
      pair(k.vec(k.f32), k.constI64(i * 4));
    for (int64_t i = vectorEnd; i < half; ++i)
      pair(k.f32, k.constI64(i * 4));
  }

  void storeQuery(Value out, Value head) const {
    Value place = k.at(out, k.add(k.mulC(row, int64_t(spec.heads) * spec.headDim * 4),
                                  k.mulC(head, spec.headDim * 4)));
    for (int64_t i = 0; i < vectors(); ++i)
      k.store(k.mulF(get(i), k.splatF32(spec.attentionScale)), place, {}, i * kLanes * 4);
  }

  /// Pointer to head `head` of this row's block, and the slot within it.
  std::pair<Value, Value> blockOf(Value pool, Value head) const {
    Value position = k.load(k.i32, k.stepPointer(offsetof(StepView, positions)), k.mulC(row, 4));
    Value sequence =
        k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, rowSequence)), k.mulC(row, 4)));
    Value position64 = k.toI64(position);
    Value entry = k.add(k.mul(sequence, k.stepU32(offsetof(StepView, blockTableStride))),
                        k.shrU(position64, k.constI64(4)));
    Value block =
        k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, blockTables)), k.mulC(entry, 4)));
    Value index = k.add(k.mul(block, k.poolHeads(spec)), head);
    return {k.at(pool, k.mulC(index, int64_t(spec.headDim) * kBlockTokens * 2)),
            k.andI(position64, k.constI64(kBlockTokens - 1))};
  }

  void storeKey(Value pool, Value head) const {
    auto [block, slot] = blockOf(pool, head);
    Value place = k.at(block, k.mulC(slot, 2));
    for (int64_t i = 0; i < vectors(); ++i) {
      Value halves = k.toF16(get(i));
      for (int64_t lane = 0; lane < kLanes; ++lane)
        k.store(k.extract(halves, lane), place, {}, (i * kLanes + lane) * kBlockTokens * 2);
    }
  }

  void storeValue(Value pool, Value head) const {
    auto [block, slot] = blockOf(pool, head);
    Value place = k.at(block, k.mulC(slot, spec.headDim * 2));
    for (int64_t i = 0; i < vectors(); ++i)
      k.store(k.toF16(get(i)), place, {}, i * kLanes * 2);
  }
};

} // namespace

void emitLinearQkv(KernelBuilder &k, const KernelSpec &spec) {
  static_assert(kBlockTokens == 16, "blockOf shifts by 4");
  Value weights[3] = {k.buffer(1), k.buffer(2), k.buffer(3)};
  Value qOut = k.buffer(4), kPool = k.buffer(5), vPool = k.buffer(6), table = k.buffer(7);
  const int64_t panels = spec.headDim / kLanes, heads = spec.heads, kvHeads = spec.kvHeads;
  // A unit is one head: q heads, then k heads, then v heads, but for those that other chips with
  // the same pools compute.
  Value skippedKeys = k.stepU32(offsetof(StepView, skippedKeys));
  Value firstValue = k.sub(k.constI64(heads + kvHeads), skippedKeys);
  Value units = k.sub(k.addC(firstValue, kvHeads), k.stepU32(offsetof(StepView, skippedValues)));
  const LinearShape shape{spec.k,
                          k.buffer(0),
                          int64_t(inputStride(spec)),
                          spec.rowBits,
                          k.stepU32(offsetof(StepView, numTokens)),
                          units,
                          spec.headDim};
  const Value firstOf[3] = {k.constI64(0), k.constI64(heads), firstValue};
  const Value skipped[3] = {k.constI64(0), skippedKeys, k.constI64(0)};
  /// `body(matrix, head)` for the matrix that `unit` belongs to.
  const auto select = [&](Value unit, llvm::function_ref<void(int, Value)> body) {
    const auto of = [&](int matrix) {
      body(matrix, k.add(k.sub(unit, firstOf[matrix]), skipped[matrix]));
      return Values{};
    };
    const auto before = [&](int matrix) { return k.cmpI("ult", unit, firstOf[matrix]); };
    k.ifElse(
        before(1), {}, [&] { return of(0); },
        [&] {
          k.ifElse(before(2), {}, [&] { return of(1); }, [&] { return of(2); });
          return Values{};
        });
  };
  emitLinearLoop(
      k, shape,
      [&](Value unit, Multiply multiply) {
        select(unit, [&](int matrix, Value head) {
          multiply({spec.formats[matrix], weights[matrix], k.mulC(head, panels), panels, 0});
        });
      },
      [&](Value unit, Value row, Value tileRow) {
        const HeadRow headRow{k, spec, tileRow, row};
        select(unit, [&](int matrix, Value head) {
          if (matrix == 2)
            return headRow.storeValue(vPool, head);
          if (spec.qkNorm)
            headRow.norm(k.buffer(8 + matrix));
          headRow.rotate(table);
          if (matrix == 0)
            headRow.storeQuery(qOut, head);
          else
            headRow.storeKey(kPool, head);
        });
      });
}

} // namespace tenon::cpu
