//===- AttentionItem.cpp - Rows of a sequence and one KV head -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/AttentionItem.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {

/// Finite: exp(kMasked - m) is 0 for any real score m.
static constexpr double kMasked = -1e30;

int64_t accumulatorLimit(engine::Variant variant) {
  switch (variant) {
  case engine::Variant::Avx2:
  case engine::Variant::AvxVnni:
    return 6; // 12 of 16 registers
  case engine::Variant::Neon:
  case engine::Variant::NeonI8mm:
    return 6; // 24 of 32
  default:
    return 24; // of 32
  }
}

std::pair<Value, Value> emitSegmentsSeen(KernelBuilder &k, const KernelSpec &spec, Value position,
                                         Value rows) {
  Value size = k.constI64(kSegmentKeys);
  Value end = k.divU(k.add(k.add(position, rows), k.constI64(kSegmentKeys - 1)), size);
  if (!spec.window)
    return {k.constI64(0), end};
  return {k.divU(k.subU(position, k.constI64(int64_t(spec.window) - 1)), size), end};
}

AttentionItem::AttentionItem(KernelBuilder &k, const KernelSpec &spec, Value firstRow, Value rows,
                             Value head, int64_t group)
    : k(k), spec(spec), group(group), headDim(spec.headDim), layout(spec), record(spec),
      firstRow(firstRow), rows(rows), head(head) {
  Value rowBytes = k.mulC(firstRow, 4);
  queries = k.mulC(rows, group);
  position = k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, positions)), rowBytes));
  lastKey = k.addC(k.add(position, rows), -1);
  std::tie(firstSegment, endSegment) = emitSegmentsSeen(k, spec, position, rows);
  Value sequence = k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, rowSequence)), rowBytes));
  Value entries = k.mul(sequence, k.stepU32(offsetof(StepView, blockTableStride)));
  table = k.at(k.stepPointer(offsetof(StepView, blockTables)), k.mulC(entries, 4));
}

Value AttentionItem::firstQuery() const {
  return k.subU(k.mulC(head, queryGroup(spec)), k.constI64(spec.skippedHeads)); // 0 for the first
}

Value AttentionItem::queryOffset(Value row) const {
  return k.mulC(k.add(k.mulC(row, spec.heads), firstQuery()), headDim * 4);
}

Value AttentionItem::blockOffset(Value index) const {
  Value last = k.divU(lastKey, k.constI64(kBlockTokens));
  Value block = k.toI64(k.load(k.i32, table, k.mulC(k.minU(index, last), 4)));
  return k.mulC(k.add(k.mul(block, k.poolHeads(spec)), head), headDim * kBlockTokens * 2);
}

AttentionItem::Extent AttentionItem::extentOf(Value segment) const {
  Value first = k.mulC(segment, kSegmentKeys), size = k.constI64(kGroupKeys);
  Value toLastKey = k.addC(k.sub(lastKey, first), 1);
  Value keys = k.minU(toLastKey, k.constI64(kSegmentKeys));
  Value begin = k.constI64(0);
  if (spec.window)
    begin = k.divU(k.subU(k.subU(position, k.constI64(int64_t(spec.window) - 1)), first), size);
  return {toLastKey, keys, begin, k.divU(k.addC(keys, kGroupKeys - 1), size)};
}

KeyRun AttentionItem::keysOf(Value segment) const {
  const Extent extent = extentOf(segment);
  constexpr int64_t groupBlocks = kGroupKeys / kBlockTokens;
  Value skipped = k.mulC(extent.firstGroup, groupBlocks);
  Value end = k.divU(k.addC(extent.keys, kBlockTokens - 1), k.constI64(kBlockTokens));
  return {table, head, k.add(k.mulC(segment, kSegmentKeys / kBlockTokens), skipped),
          k.sub(end, skipped)};
}

void AttentionItem::softmax(Value scores, Value records, Value segment, const Extent &extent,
                            int64_t together) const {
  constexpr int64_t vectors = kGroupKeys / kLanes;
  Value firstKey = k.mulC(segment, kSegmentKeys);
  k.forEach(k.constI64(0), queries, together, [&](Value first) {
    Value lines = k.at(scores, k.mulC(first, kSegmentKeys * 4));
    Value into = k.at(records, k.mulC(first, record.bytes));
    // Key i of the segment is seen by query q iff i <= newest[q], and newest[q] - i < window.
    Values newest;
    for (int64_t q = 0; q < together; ++q)
      newest.push_back(
          k.toI32(k.sub(k.add(position, k.divU(k.addC(first, q), k.constI64(group))), firstKey)));
    Values widest =
        k.forLoop(extent.firstGroup, extent.endGroup, 1,
                  Values(together * vectors, k.splatF32(kMasked)), [&](Value g, ValueRange most) {
                    Value at = k.mulC(g, kGroupKeys * 4), skipped = k.toI32(k.mulC(g, kGroupKeys));
                    Values next;
                    for (int64_t q = 0; q < together; ++q) {
                      Value last = k.splat(k.sub(newest[q], skipped));
                      for (int64_t v = 0; v < vectors; ++v) {
                        const int64_t place = (q * kSegmentKeys + v * kLanes) * 4;
                        Value s = k.load(k.vec(k.f32), lines, at, place);
                        if (spec.softcap != 0)
                          s = emitSoftcap(k, s, spec.softcap);
                        Value key = k.add(k.lanesI32(), k.splatI32(v * kLanes));
                        s = k.select(k.cmpI("sle", key, last), s, k.splatF32(kMasked));
                        if (spec.window)
                          s = k.select(k.cmpI("sgt", key, k.sub(last, k.splatI32(spec.window))), s,
                                       k.splatF32(kMasked));
                        k.store(s, lines, at, place);
                        next.push_back(k.maxF(s, most[q * vectors + v]));
                      }
                    }
                    return next;
                  });
    auto tree = [&](Values &of, int64_t q, auto combine) {
      return combine(combine(of[q * vectors], of[q * vectors + 1]),
                     combine(of[q * vectors + 2], of[q * vectors + 3]));
    };
    Values maxima;
    for (int64_t q = 0; q < together; ++q) {
      Value maximum = emitMax(k, tree(widest, q, [&](Value x, Value y) { return k.maxF(x, y); }));
      k.store(maximum, into, {}, q * record.bytes + record.maximum);
      maxima.push_back(k.splat(maximum));
    }
    Values sums =
        k.forLoop(extent.firstGroup, extent.endGroup, 1, Values(together * vectors, k.splatF32(0)),
                  [&](Value g, ValueRange before) {
                    Value at = k.mulC(g, kGroupKeys * 4);
                    Values next;
                    for (int64_t q = 0; q < together; ++q)
                      for (int64_t v = 0; v < vectors; ++v) {
                        const int64_t place = (q * kSegmentKeys + v * kLanes) * 4;
                        Value p = emitExpNegative(
                            k, k.subF(k.load(k.vec(k.f32), lines, at, place), maxima[q]));
                        k.store(p, lines, at, place);
                        next.push_back(k.addF(before[q * vectors + v], p));
                      }
                    return next;
                  });
    for (int64_t q = 0; q < together; ++q)
      k.store(emitSum(k, tree(sums, q, [&](Value x, Value y) { return k.addF(x, y); })), into, {},
              q * record.bytes + record.sum);
  });
}

void AttentionItem::clearRunning() const {
  Value running = scratchAt(layout.running);
  k.forEach(k.constI64(0), queries, 1, [&](Value query) {
    Value into = k.at(running, k.mulC(query, record.bytes));
    for (int64_t d = 0; d < headDim; d += kLanes)
      k.store(k.splatF32(0), into, {}, d * 4);
    k.store(k.constF32(kMasked), into, {}, record.maximum);
    k.store(k.constF32(0), into, {}, record.sum);
  });
}

void AttentionItem::combine(Value records) const {
  Value running = scratchAt(layout.running);
  k.forEach(k.constI64(0), queries, 1, [&](Value query) {
    Value at = k.mulC(query, record.bytes), from = k.at(records, at), into = k.at(running, at);
    Value maximum = k.load(k.f32, from, {}, record.maximum);
    k.ifThen(k.cmpF("ogt", maximum, k.constF32(kMasked)), [&] {
      Value before = k.load(k.f32, into, {}, record.maximum);
      Value stays = k.cmpF("oge", before, maximum);
      Value difference = k.select(stays, k.subF(maximum, before), k.subF(before, maximum));
      Value smaller = k.extract(emitExpNegative(k, k.splat(difference)), 0), one = k.constF32(1.0);
      Value old = k.select(stays, one, smaller), fresh = k.select(stays, smaller, one);
      Value sum = k.fma(k.load(k.f32, into, {}, record.sum), old,
                        k.mulF(k.load(k.f32, from, {}, record.sum), fresh));
      k.store(k.select(stays, before, maximum), into, {}, record.maximum);
      k.store(sum, into, {}, record.sum);
      Value olds = k.splat(old), freshes = k.splat(fresh);
      for (int64_t d = 0; d < headDim; d += kLanes)
        k.store(k.fma(k.load(k.vec(k.f32), into, {}, d * 4), olds,
                      k.mulF(k.load(k.vec(k.f32), from, {}, d * 4), freshes)),
                into, {}, d * 4);
    });
  });
}

void AttentionItem::finish() const {
  Value out = k.buffer(3), running = scratchAt(layout.running);
  const int64_t columns = int64_t(spec.heads) * headDim;
  k.forEach(k.constI64(0), queries, 1, [&](Value query) {
    Value row = k.divU(query, k.constI64(group)), inGroup = k.remU(query, k.constI64(group));
    Value from = k.at(running, k.mulC(query, record.bytes));
    Value inverse = k.splat(k.divF(k.constF32(1.0), k.load(k.f32, from, {}, record.sum)));
    Value place = k.at(out, k.mulC(k.add(firstRow, row), outputStride(spec, columns)));
    Value queryHead = k.add(firstQuery(), inGroup);
    auto get = [&](Value at, int64_t constant) {
      return k.mulF(k.load(k.vec(k.f32), from, at, constant), inverse);
    };
    if (spec.quantOut) {
      Value firstGroup = k.mulC(queryHead, headDim / 32);
      k.forEach(k.constI64(0), k.constI64(headDim / 32), 1, [&](Value g) {
        Value at = k.mulC(g, 128);
        emitQuantizeGroup(k, get(at, 0), get(at, 64), place, k.add(firstGroup, g),
                          QuantRowLayout(columns, spec.rowBits));
      });
      return;
    }
    Value column = k.mulC(queryHead, headDim * 4);
    k.forEach(k.constI64(0), k.constI64(headDim * 4), kLanes * 4,
              [&](Value at) { k.store(get(at, 0), place, k.add(column, at)); });
  });
}

} // namespace tenon::cpu
