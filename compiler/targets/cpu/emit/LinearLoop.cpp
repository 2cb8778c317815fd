//===- LinearLoop.cpp - How a linear walks its output ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/LinearLoop.h"
#include "compiler/targets/cpu/emit/PanelProduct.h"

namespace tenon::cpu {

void emitLinearLoop(KernelBuilder &k, Value rows, Value units,
                    llvm::function_ref<void(Value, Value, int64_t)> body) {
  Value blockRows = k.constI64(kRowBlock);
  Value blocks = k.divU(k.addC(rows, kRowBlock - 1), blockRows);
  auto [first, last] = k.share(k.mul(blocks, units));
  k.forEach(first, last, 1, [&](Value item) {
    Value block = k.divU(item, units), unit = k.remU(item, units);
    Value row = k.mul(block, blockRows);
    Value end = k.minU(k.add(row, blockRows), rows);
    for (int64_t count : panelRowCounts(k.variant())) {
      Value runs = k.divU(k.sub(end, row), k.constI64(count));
      Value stop = k.add(row, k.mulC(runs, count));
      k.forEach(row, stop, count, [&](Value r) { body(unit, r, count); });
      row = stop;
    }
  });
}

void emitPanels(KernelBuilder &k, WeightFormat format, uint64_t columns, int64_t rows, Value input,
                Value weights, Value firstPanel, int64_t panels, Value tile, int64_t tileStride,
                int64_t tileColumn) {
  const std::string product = emitPanelProduct(k, format, columns, rows);
  const int64_t panelBytes = PanelLayout(format, columns).bytes;
  Value base = k.at(weights, k.mulC(firstPanel, panelBytes));
  Value stride = k.constI64(tileStride);
  auto one = [&](Value i) {
    k.callInternal(product, {input, k.at(base, k.mulC(i, panelBytes)),
                             k.at(tile, k.mulC(i, kLanes * 4), tileColumn * 4), stride});
  };
  if (panels == 1)
    return one(k.constI64(0));
  k.forEach(k.constI64(0), k.constI64(panels), 1, one);
}

} // namespace tenon::cpu
