//===- LinearLoop.cpp - How a linear walks its output ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/LinearLoop.h"
#include "compiler/targets/cpu/emit/AmxProduct.h"
#include "compiler/targets/cpu/emit/PanelProduct.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

namespace tenon::cpu {
namespace {

/// Nobody has fetched a worker's first unit: it is prefetched this far ahead as it is read.
constexpr int64_t kFirstUnitLead = 4096;
/// Panels prepared together on any variant.
constexpr int64_t kMostTilePanels = 2;

/// The rows of one item, and where their sums go.
struct RowTile {
  KernelBuilder &k;
  const LinearShape &shape;
  Value first, count; ///< Rows of the step, i64.
  Value forward;      ///< Units from this one to the worker's next, i64; 0 if there is none.
  Value lead;         ///< Bytes that a stream prefetches ahead in this unit itself, i64.

  int64_t stride() const { return shape.unitColumns * 4; }
  Value prepared() const { return k.at(k.scratch, {}, kRowBlock * stride()); }
  Value inputAt(Value row) const {
    return k.at(shape.input, k.mulC(k.add(first, row), shape.inputStride));
  }
  Value tileAt(Value row, Value column) const {
    return k.at(k.scratch, k.add(k.mulC(row, stride()), k.mulC(column, 4)));
  }

  /// Calls `body(row, count)` for runs of the rows from `row`, `count` out of `counts`.
  void forRuns(Value row, llvm::ArrayRef<int64_t> counts,
               llvm::function_ref<void(Value, int64_t)> body) const {
    for (int64_t c : counts) {
      Value stop = k.add(row, k.mulC(k.divU(k.sub(count, row), k.constI64(c)), c));
      k.forEach(row, stop, c, [&](Value r) { body(r, c); });
      row = stop;
    }
  }

  /// Every panel streamed by once for `rows` rows from `row`.
  void stream(const PanelRun &run, Value row, int64_t rows) const {
    const std::string product =
        emitStreamProduct(k, run.format, shape.columns, shape.rowBits, rows);
    const int64_t panelBytes = PanelLayout(run.format, shape.columns).bytes;
    Value base = k.at(run.weights, k.mulC(run.firstPanel, panelBytes));
    Value input = inputAt(row);
    k.forEach(k.constI64(0), k.constI64(run.panels), 1, [&](Value panel) {
      Value column = k.addC(k.mulC(panel, kLanes), run.column);
      Value from = k.at(base, k.mulC(panel, panelBytes));
      k.callInternal(product,
                     {input, from, tileAt(row, column), k.constI64(stride()), k.at(from, lead),
                      k.at(from, k.mulC(forward, run.panels * panelBytes))});
    });
  }

  /// Calls `body(row, rows, source, number)` for AMX's tiles of rows in turn, up to kAmxRows each;
  /// from the third tile on the number is 2.
  void amxTiles(llvm::function_ref<void(Value, Value, TileSource, int64_t)> body) const {
    const auto rowsFrom = [&](Value row) {
      return k.minU(k.sub(count, row), k.constI64(kAmxRows));
    };
    Value row = k.constI64(0);
    for (int64_t number = 0; number < 2; ++number) {
      k.ifThen(k.cmpI("ult", row, count), [&] {
        body(row, rowsFrom(row), number ? TileSource::Prepared : TileSource::Packed, number);
      });
      row = k.addC(row, kAmxRows);
    }
    k.forEach(row, count, kAmxRows,
              [&](Value r) { body(r, rowsFrom(r), TileSource::Prepared, 2); });
  }

  /// `panels` panels from `panel` (i64, within the run): prepared chunk by chunk, all rows over
  /// each.
  void multiplyPrepared(const PanelRun &run, Value panel, int64_t panels) const {
    const int64_t panelBytes = PanelLayout(run.format, shape.columns).bytes;
    const int64_t groups = shape.columns / 32, chunk = chunkGroups(run.format, shape.columns);
    Value base = k.at(run.weights, k.mulC(k.add(run.firstPanel, panel), panelBytes));
    Value column = k.addC(k.mulC(panel, kLanes), run.column);
    k.forEach(k.constI64(0), count, 1, [&](Value row) {
      for (int64_t p = 0; p < panels; ++p)
        k.store(k.splatF32(0), tileAt(row, column), {}, p * kLanes * 4);
    });
    const llvm::ArrayRef<int64_t> counts = tileRowCounts(k.variant(), run.format, shape.rowBits);
    k.forEach(k.constI64(0), k.constI64(groups), chunk, [&](Value firstGroup) {
      Value lastGroup = k.minU(k.addC(firstGroup, chunk), k.constI64(groups));
      const auto call = [&](const std::string &name, Value row, Value next, ValueRange more) {
        Values arguments{
            inputAt(row),        firstGroup,           lastGroup,         base, prepared(),
            tileAt(row, column), k.constI64(stride()), next ? next : base};
        arguments.append(more.begin(), more.end());
        k.callInternal(name, arguments);
      };
      Value nextBase = k.at(base, k.mulC(forward, run.panels * panelBytes));
      const auto nextPanel = [&](int64_t i) { return k.at(nextBase, {}, i * panelBytes); };
      if (k.variant() == engine::Variant::Amx)
        return amxTiles([&](Value row, Value rows, TileSource source, int64_t next) {
          const bool fetch = next < panels;
          call(emitAmxProduct(k, run.format, shape.columns, shape.rowBits, panels, source, fetch),
               row, fetch ? nextPanel(next) : Value(), {rows});
        });
      const auto product = [&](Value row, int64_t rows, TileSource source, Value next) {
        call(emitTileProduct(k, run.format, shape.columns, shape.rowBits, rows, panels, source,
                             bool(next)),
             row, next, {});
      };
      // There are more rows than a stream takes, hence at least one largest tile. While the first
      // tiles are multiplied, the same panels of the next unit arrive, one with each tile.
      const int64_t most = counts.front();
      product(k.constI64(0), most, TileSource::Packed, nextPanel(0));
      Value row = k.constI64(most);
      if (panels > 1) {
        Value second = k.cmpI("uge", count, k.constI64(2 * most));
        k.ifThen(second, [&] { product(row, most, TileSource::Prepared, nextPanel(1)); });
        row = k.select(second, k.constI64(2 * most), row);
      }
      forRuns(row, counts,
              [&](Value r, int64_t rows) { product(r, rows, TileSource::Prepared, {}); });
    });
  }

  void multiplyMany(const PanelRun &run) const {
    if (formatInfo(run.format).isFloat())
      return forRuns(k.constI64(0), tileRowCounts(k.variant(), run.format, shape.rowBits),
                     [&](Value row, int64_t rows) { stream(run, row, rows); });
    const int64_t together = std::min(tilePanels(k.variant()), run.panels);
    const int64_t whole = run.panels / together * together;
    k.forEach(k.constI64(0), k.constI64(whole), together,
              [&](Value panel) { multiplyPrepared(run, panel, together); });
    if (whole < run.panels)
      multiplyPrepared(run, k.constI64(whole), run.panels - whole);
  }

  void multiply(const PanelRun &run) const {
    const int64_t most = maxStreamRows(k.variant(), shape.rowBits);
    k.ifElse(
        k.cmpI("ugt", count, k.constI64(most)), {},
        [&] {
          multiplyMany(run);
          return Values{};
        },
        [&] {
          for (int64_t rows = most; rows > 0; --rows)
            k.ifThen(k.cmpI("eq", count, k.constI64(rows)),
                     [&] { stream(run, k.constI64(0), rows); });
          return Values{};
        });
  }
};

} // namespace

void emitLinearLoop(KernelBuilder &k, const LinearShape &shape,
                    llvm::function_ref<void(Value, Multiply)> products,
                    llvm::function_ref<void(Value, Value, Value)> epilogue) {
  Value blockRows = k.constI64(kRowBlock);
  Value blocks = k.divU(k.addC(shape.rows, kRowBlock - 1), blockRows);
  Value items = k.mul(blocks, shape.units);
  // A last block of fewer rows takes less time: its items are claimed, lest one worker's run be of
  // them and another's of whole blocks. A step of one block has no others.
  Value whole = k.divU(shape.rows, blockRows);
  Value alike = k.select(k.cmpI("ult", blocks, k.constI64(2)), items, k.mul(whole, shape.units));
  k.forClaimedItems(items, alike, [&](Value item, Value next, Value isFirst) {
    Value unit = k.remU(item, shape.units);
    Value firstRow = k.mul(k.divU(item, shape.units), blockRows);
    Value count = k.minU(k.sub(shape.rows, firstRow), blockRows);
    Value forward = k.sub(k.remU(next, shape.units), unit);
    forward = k.select(k.cmpI("ult", next, items), forward, k.constI64(0));
    Value lead = k.select(isFirst, k.constI64(kFirstUnitLead), k.constI64(0));
    const RowTile tile{k, shape, firstRow, count, forward, lead};
    products(unit, [&](const PanelRun &run) { tile.multiply(run); });
    k.forEach(k.constI64(0), count, 1, [&](Value row) {
      epilogue(unit, k.add(firstRow, row), tile.tileAt(row, k.constI64(0)));
    });
  });
}

uint64_t linearScratchBytes(llvm::ArrayRef<WeightFormat> formats, uint64_t columns,
                            int64_t unitColumns) {
  int64_t prepared = 0;
  for (WeightFormat format : formats)
    if (!formatInfo(format).isFloat())
      prepared = std::max(prepared, PreparedLayout(format).chunkBytes(format, columns));
  return kRowBlock * unitColumns * 4 + kMostTilePanels * prepared;
}

} // namespace tenon::cpu
