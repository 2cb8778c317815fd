//===- WeightStream.cpp - Weights from a checkpoint to an engine ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/WeightStream.h"

#include "compiler/pack/Packer.h"
#include "compiler/pack/Reblock.h"
#include "dialects/tenon/TenonOps.h"
#include "frontends/Importer.h"

#include <algorithm>
#include <thread>

namespace tenon::compiler {

using mlir::plan::WeightOp;

/// Packed bytes that are held at a time: large enough for long writes, small enough for the L2
/// cache.
static constexpr uint64_t kPieceBytes = 1 << 20;
/// Rounding takes far longer than writing: pieces are large enough to share out to threads.
static constexpr uint64_t kRoundedPieceBytes = 8 << 20;

namespace {
/// Writes one weight after the other.
class Stream {
public:
  Stream(EngineWriter &writer, const frontend::Checkpoint &checkpoint)
      : writer(writer), checkpoint(checkpoint) {}

  llvm::Error write(WeightOp weight, mlir::tenon::WeightOp declared) {
    if (llvm::Error error = writer.padTo(weight.getOffset()))
      return error;
    if (declared && declared.getValue())
      return writeValue(mlir::cast<mlir::DenseElementsAttr>(*declared.getValue()));
    const frontend::Tensor *tensor = checkpoint.find(weight.getSymName());
    if (!tensor)
      return llvm::createStringError(checkpoint.path() + ": has no tensor '" + weight.getSymName() +
                                     "'");
    if (tensor->rows != weight.getRows() || tensor->columns != weight.getColumns())
      return llvm::createStringError(
          checkpoint.path() + ": tensor '" + weight.getSymName() + "' is " +
          llvm::Twine(tensor->rows) + " x " + llvm::Twine(tensor->columns) + ", and the plan has " +
          llvm::Twine(weight.getRows()) + " x " + llvm::Twine(weight.getColumns()));
    llvm::Error error = weight.getPacked()
                            ? writePanels(*tensor, static_cast<WeightFormat>(weight.getFormat()))
                            : writeRows(*tensor);
    checkpoint.release(*tensor);
    return error;
  }

private:
  llvm::Error writeValue(mlir::DenseElementsAttr value) {
    auto floats = llvm::to_vector(value.getValues<float>());
    return writer.append(
        {reinterpret_cast<const uint8_t *>(floats.data()), floats.size() * sizeof(float)});
  }

  /// Plain f32 rows.
  llvm::Error writeRows(const frontend::Tensor &tensor) {
    std::vector<float> row(tensor.columns);
    for (uint64_t r = 0; r < tensor.rows; ++r) {
      frontend::dequantizeRow(tensor, r, row);
      if (llvm::Error error = writer.append(
              {reinterpret_cast<const uint8_t *>(row.data()), row.size() * sizeof(float)}))
        return error;
    }
    return llvm::Error::success();
  }

  /// Panels of `format`: rounded on the way if the checkpoint has another.
  llvm::Error writePanels(const frontend::Tensor &tensor, WeightFormat format) {
    std::vector<uint32_t> order;
    uint32_t heads = 0;
    if (frontend::needsRotaryRowOrder(checkpoint, tensor.name, heads))
      order = rotaryRowOrder(heads, checkpoint.config().headDim, checkpoint.config().rotary);
    const bool keep = format == tensor.format;
    const uint64_t panelBytes = PanelLayout(format, tensor.columns).bytes;
    const uint64_t rowsAtOnce =
        std::max<uint64_t>(1, (keep ? kPieceBytes : kRoundedPieceBytes) / panelBytes) *
        kPanelChannels;
    const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
    for (uint64_t row = 0; row < tensor.rows; row += rowsAtOnce) {
      const uint64_t count = std::min(rowsAtOnce, tensor.rows - row);
      piece.resize(packedBytes(format, count, tensor.columns));
      if (llvm::Error error =
              keep ? packMatrix(tensor, order, row, count, piece)
                   : reblockMatrix(tensor, format, order, row, count, threads, piece))
        return error;
      if (llvm::Error error = writer.append(piece))
        return error;
    }
    return llvm::Error::success();
  }

  EngineWriter &writer;
  const frontend::Checkpoint &checkpoint;
  std::vector<uint8_t> piece;
};
} // namespace

llvm::Error writeWeights(EngineWriter &writer, mlir::plan::EngineOp plan, mlir::ModuleOp module,
                         const frontend::Checkpoint &checkpoint, WeightProgress progress) {
  llvm::SmallVector<WeightOp> stored;
  uint64_t all = 0;
  for (WeightOp weight : plan.getOps<WeightOp>())
    if (!weight.getSeed()) {
      stored.push_back(weight);
      all += weight.getSize();
    }
  llvm::sort(stored, [](WeightOp a, WeightOp b) { return a.getOffset() < b.getOffset(); });
  if (stored.empty())
    return llvm::Error::success(); // An empty section is left out.
  if (llvm::Error error = writer.beginSection(engine::SectionKind::Weights))
    return error;
  Stream stream(writer, checkpoint);
  uint64_t done = 0;
  for (WeightOp weight : stored) {
    auto declared = module.lookupSymbol<mlir::tenon::WeightOp>(weight.getSymNameAttr());
    if (llvm::Error error = stream.write(weight, declared))
      return error;
    progress(done += weight.getSize(), all);
  }
  return writer.padTo(plan.getFirstChip().getWeightsBytes());
}

} // namespace tenon::compiler
