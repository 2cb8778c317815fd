//===- RowKernels.cpp - Norms, embedding, quantisation, rope table --------===//
// SPDX-License-Identifier: Apache-2.0
//
// Kernels whose work is split by row: worker w takes KernelBuilder::share(rows).

#include "compiler/targets/cpu/emit/Kernels.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"
#include "compiler/targets/cpu/emit/WeightUnpack.h"

namespace tenon::cpu {
namespace {

/// A row of `columns` f32 in memory, as vectors of 16 and a scalar tail.
struct Row {
  KernelBuilder &k;
  int64_t columns;

  Value vectorEnd() const { return k.constI64(columns / kLanes * kLanes * 4); }

  /// 1 / sqrt(mean(x^2) + eps) of the row at `x`. 16 lane sums over the vectors, then the tree,
  /// then the tail in order.
  Value inverseRms(Value x, float eps) const {
    Value lanes = k.forLoop(k.constI64(0), vectorEnd(), kLanes * 4, k.splatF32(0),
                            [&](Value at, ValueRange acc) -> Values {
                              Value v = k.load(k.vec(k.f32), x, at);
                              return {k.fma(v, v, acc[0])};
                            })[0];
    Value sum = emitSum(k, lanes);
    for (int64_t i = columns / kLanes * kLanes; i < columns; ++i) {
      Value v = k.load(k.f32, x, {}, i * 4);
      sum = k.fma(v, v, sum);
    }
    Value mean = k.mulF(sum, k.constF32(1.0 / columns));
    return k.divF(k.constF32(1.0), k.sqrt(k.addF(mean, k.constF32(eps))));
  }

  /// Calls body(type, byte offset) for each vector and each tail element.
  void each(llvm::function_ref<void(Type, Value)> body) const {
    k.forEach(k.constI64(0), vectorEnd(), kLanes * 4, [&](Value at) { body(k.vec(k.f32), at); });
    for (int64_t i = columns / kLanes * kLanes; i < columns; ++i)
      body(k.f32, k.constI64(i * 4));
  }

  Value widen(Type type, Value scalar) const { return type == k.f32 ? scalar : k.splat(scalar); }

  /// out = x * inverse * w, quantised or not.
  void scaleTo(Value x, Value inverse, Value w, Value out, const KernelSpec &spec) const {
    if (!spec.quantOut) {
      each([&](Type type, Value at) {
        Value normed = k.mulF(k.load(type, x, at), widen(type, inverse));
        k.store(k.mulF(normed, k.load(type, w, at)), out, at);
      });
      return;
    }
    k.forEach(k.constI64(0), k.constI64(columns / 32), 1, [&](Value group) {
      Value bytes = k.mulC(group, 128), halves[2];
      for (int64_t h = 0; h < 2; ++h) {
        Value normed = k.mulF(k.load(k.vec(k.f32), x, bytes, h * 64), k.splat(inverse));
        halves[h] = k.mulF(normed, k.load(k.vec(k.f32), w, bytes, h * 64));
      }
      emitQuantizeGroup(k, halves[0], halves[1], out, group, QuantRowLayout(columns, spec.rowBits));
    });
  }
};

void forRows(KernelBuilder &k, uint32_t countField, llvm::function_ref<void(Value)> body) {
  auto [first, last] = k.share(k.stepU32(countField));
  k.forEach(first, last, 1, body);
}

} // namespace

void emitNormQuant(KernelBuilder &k, const KernelSpec &spec) {
  Value x = k.buffer(0), w = k.buffer(1), out = k.buffer(2);
  Row row{k, spec.k};
  forRows(
      k, spec.gatherLogitRows ? offsetof(StepView, numLogitRows) : offsetof(StepView, numTokens),
      [&](Value i) {
        Value source = i;
        if (spec.gatherLogitRows)
          source =
              k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, logitRows)), k.mulC(i, 4)));
        Value in = k.at(x, k.mulC(source, int64_t(spec.k) * 4));
        if (spec.keepRows) {
          Value kept = k.at(k.buffer(3), k.mulC(i, int64_t(spec.k) * 4));
          row.each([&](Type type, Value at) { k.store(k.load(type, in, at), kept, at); });
        }
        row.scaleTo(in, row.inverseRms(in, spec.eps), w,
                    k.at(out, k.mulC(i, outputStride(spec, spec.k))), spec);
      });
}

void emitNormAdd(KernelBuilder &k, const KernelSpec &spec) {
  Value y = k.buffer(0), w = k.buffer(1), x = k.buffer(2);
  Row row{k, spec.k};
  forRows(k, offsetof(StepView, numTokens), [&](Value i) {
    Value offset = k.mulC(i, int64_t(spec.k) * 4);
    Value in = k.at(y, offset), sum = k.at(x, offset);
    Value inverse = row.inverseRms(in, spec.eps);
    row.each([&](Type type, Value at) {
      Value normed =
          k.mulF(k.mulF(k.load(type, in, at), row.widen(type, inverse)), k.load(type, w, at));
      k.store(k.addF(k.load(type, sum, at), normed), sum, at);
    });
    if (spec.kind == KernelKind::NormAddNormQuant)
      row.scaleTo(sum, row.inverseRms(sum, spec.eps), k.buffer(3),
                  k.at(k.buffer(4), k.mulC(i, outputStride(spec, spec.k))), spec);
  });
}

void emitQuantize(KernelBuilder &k, const KernelSpec &spec) {
  Value x = k.buffer(0), out = k.buffer(1);
  forRows(k, offsetof(StepView, numTokens), [&](Value i) {
    Value in = k.at(x, k.mulC(i, int64_t(spec.k) * 4));
    Value row = k.at(out, k.mulC(i, QuantRowLayout(spec.k, spec.rowBits).stride()));
    k.forEach(k.constI64(0), k.constI64(spec.k / 32), 1, [&](Value group) {
      Value bytes = k.mulC(group, 128);
      emitQuantizeGroup(k, k.load(k.vec(k.f32), in, bytes), k.load(k.vec(k.f32), in, bytes, 64),
                        row, group, QuantRowLayout(spec.k, spec.rowBits));
    });
  });
}

void emitRopeTable(KernelBuilder &k, const KernelSpec &spec) {
  Value table = k.buffer(0), frequencies = k.buffer(1);
  const int64_t half = spec.rotary / 2;
  forRows(k, offsetof(StepView, numTokens), [&](Value i) {
    Value position = k.load(k.i32, k.stepPointer(offsetof(StepView, positions)), k.mulC(i, 4));
    Value positions = k.splat(k.toF32(position));
    Value row = k.at(table, k.mulC(i, half * 8));
    auto angles = [&](Value f) {
      auto [s, c] = emitSinCos(k, k.mulF(positions, f));
      Value scale = k.splatF32(spec.ropeScale);
      return std::pair(k.mulF(c, scale), k.mulF(s, scale));
    };
    k.forEach(k.constI64(0), k.constI64(half / kLanes * kLanes * 4), kLanes * 4, [&](Value at) {
      auto [c, s] = angles(k.load(k.vec(k.f32), frequencies, at));
      k.store(c, row, at);
      k.store(s, row, at, half * 4);
    });
    for (int64_t j = half / kLanes * kLanes; j < half; ++j) {
      auto [c, s] = angles(k.loadSplat(k.f32, frequencies, {}, j * 4));
      k.store(k.extract(c, 0), row, {}, j * 4);
      k.store(k.extract(s, 0), row, {}, (half + j) * 4);
    }
  });
}

//===----------------------------------------------------------------------===//
// Embed
//===----------------------------------------------------------------------===//

/// One channel of a panel, block formats: 32 k of it at a time. The panel belongs to 16 tokens; the
/// token's bytes lie 64 apart, so its values are gathered by scalar loads.
static void emitEmbedGroup(KernelBuilder &k, const KernelSpec &spec, Value panel, Value channel,
                           Value group, Value out) {
  const WeightFormat format = spec.formats[0];
  const FormatInfo info = formatInfo(format);
  // Unpack whole vectors as the products do, then pick the channel's four bytes of each step: the
  // packed planes are read by the same code that every other kernel uses.
  SuperScales super = emitSuperScales(k, format, spec.k, panel, k.shrU(group, k.constI64(3)));
  GroupScales scales = emitGroupScales(k, format, spec.k, panel, group, super);
  k.store(scales.scale[0], k.scratch, {}, 0);
  k.store(info.group == 16 ? scales.scale[1] : scales.scale[0], k.scratch, {}, 64);
  k.store(scales.min ? scales.min : k.splatF32(0), k.scratch, {}, 128);
  Value lane = k.mulC(channel, 4);
  Value scale[2] = {k.loadSplat(k.f32, k.scratch, lane), k.loadSplat(k.f32, k.scratch, lane, 64)};
  Value min = k.loadSplat(k.f32, k.scratch, lane, 128);

  GroupQuants quants(k, format, spec.k, panel, group);
  for (int64_t step = 0; step < kStepsPerGroup; ++step)
    k.store(quants.step(step), k.scratch, {}, 192 + step * 64);
  for (int64_t step = 0; step < kStepsPerGroup; ++step)
    k.store(k.load(k.i32, k.scratch, lane, 192 + step * 64), k.scratch, {}, 704 + step * 4);
  Value offset = k.splatI32(info.offset);
  for (int64_t h = 0; h < 2; ++h) {
    Value q = k.extendU(k.load(k.vec(k.i8), k.scratch, {}, 704 + h * 16), k.i32);
    Value v = k.mulF(k.toF32(k.sub(q, offset)), scale[h]);
    if (info.hasMin)
      v = k.addF(v, min);
    k.store(k.mulF(v, k.splatF32(spec.scale)), out, k.mulC(group, 128), h * 64);
  }
}

/// One channel of a panel, float formats: element by element.
static void emitEmbedFloat(KernelBuilder &k, const KernelSpec &spec, Value panel, Value channel,
                           Value out) {
  const WeightFormat format = spec.formats[0];
  k.forEach(k.constI64(0), k.constI64(spec.k), 1, [&](Value i) {
    Value v;
    if (format == WeightFormat::BF16) {
      Value at = k.add(k.add(k.mulC(k.shrU(i, k.constI64(1)), 64), k.mulC(channel, 4)),
                       k.mulC(k.andI(i, k.constI64(1)), 2));
      Value bits = k.extendU(k.load(k.i16, panel, at), k.i32);
      v = k.bitcast(k.shl(bits, k.constI32(16)), k.f32);
    } else {
      const int64_t bytes = format == WeightFormat::F32 ? 4 : 2;
      Value at = k.mulC(k.add(k.mulC(i, kLanes), channel), bytes);
      v = format == WeightFormat::F32 ? k.load(k.f32, panel, at)
                                      : k.toF32(k.load(k.f16, panel, at));
    }
    k.store(k.mulF(v, k.constF32(spec.scale)), out, k.mulC(i, 4));
  });
}

void emitEmbed(KernelBuilder &k, const KernelSpec &spec) {
  Value out = k.buffer(0), weights = k.buffer(1);
  const WeightFormat format = spec.formats[0];
  forRows(k, offsetof(StepView, numTokens), [&](Value i) {
    Value token = k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, tokenIds)), k.mulC(i, 4)));
    Value row = k.at(out, k.mulC(i, int64_t(spec.k) * 4));
    auto lookUp = [&] {
      Value panel =
          k.at(weights, k.mulC(k.shrU(token, k.constI64(4)), PanelLayout(format, spec.k).bytes));
      Value channel = k.andI(token, k.constI64(kLanes - 1));
      if (formatInfo(format).isFloat())
        return emitEmbedFloat(k, spec, panel, channel, row);
      k.forEach(k.constI64(0), k.constI64(spec.k / 32), 1,
                [&](Value group) { emitEmbedGroup(k, spec, panel, channel, group, row); });
    };
    if (!spec.partial)
      return lookUp();
    k.ifThen(k.cmpI("ult", token, k.constI64(spec.n)), lookUp);
    k.ifThen(k.cmpI("uge", token, k.constI64(spec.n)), [&] {
      k.forEach(k.constI64(0), k.constI64(spec.k), 1,
                [&](Value column) { k.store(k.constF32(0), row, k.mulC(column, 4)); });
    });
  });
}

} // namespace tenon::cpu
