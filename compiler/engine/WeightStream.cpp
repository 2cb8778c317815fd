//===- WeightStream.cpp - Weights from a checkpoint to an engine ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/WeightStream.h"

#include "compiler/pack/Packer.h"
#include "compiler/pack/PanelColumns.h"
#include "compiler/pack/Reblock.h"
#include "compiler/pack/TensorPart.h"
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
/// What chip `rank` along the tensor axis holds of the tensor that a weight is made from.
TensorPart partOf(WeightOp weight, uint64_t rank) {
  auto part = weight.getPart();
  return TensorPart::along(part ? part->getDim() : 0, part ? part->getBegins()[rank] : 0,
                           weight.getRows(), weight.getColumns());
}

/// Writes one weight of a chip after the other.
class Stream {
public:
  /// `rank`: the chip's place along the tensor axis.
  Stream(EngineWriter &writer, const frontend::Checkpoint &checkpoint, InputSource *inputs,
         uint64_t rank)
      : writer(writer), checkpoint(checkpoint), inputs(inputs), rank(rank) {}

  llvm::Error write(WeightOp weight, mlir::tenon::WeightOp declared) {
    if (llvm::Error error = writer.padTo(weight.getOffset()))
      return error;
    if (declared && declared.getValue())
      return writeValue(mlir::cast<mlir::DenseElementsAttr>(*declared.getValue()));
    const frontend::Tensor *tensor = checkpoint.find(weight.getTensorName());
    if (!tensor)
      return llvm::createStringError(checkpoint.path() + ": has no tensor '" +
                                     weight.getTensorName() + "'");
    const TensorPart part = partOf(weight, rank);
    const bool whole = tensor->rows == part.rows && tensor->columns == part.columns;
    if (!part.isWithin(*tensor) || (!weight.getPart() && !whole))
      return llvm::createStringError(
          checkpoint.path() + ": tensor '" + weight.getTensorName() + "' is " +
          llvm::Twine(tensor->rows) + " x " + llvm::Twine(tensor->columns) + ", and the plan has " +
          llvm::Twine(weight.getRows()) + " x " + llvm::Twine(weight.getColumns()));
    llvm::Error error =
        weight.getPacked()
            ? writePanels(*tensor, static_cast<WeightFormat>(weight.getFormat()), part)
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
  llvm::Error writePanels(const frontend::Tensor &tensor, WeightFormat format,
                          const TensorPart &part) {
    std::vector<uint32_t> order;
    uint32_t heads = 0;
    if (frontend::needsRotaryRowOrder(checkpoint, tensor.name, heads))
      order = rotaryRowOrder(heads, checkpoint.config().headDim, checkpoint.config().rotary);
    const bool keep = format == tensor.format;
    const ColumnFeedback *feedback = nullptr;
    if (!keep && inputs && formatInfo(format).rowScales) {
      auto found = inputs->feedbackOf(tensor.name, threads);
      if (!found)
        return found.takeError();
      feedback = *found;
    }
    const uint64_t panelBytes = PanelLayout(format, part.columns).bytes;
    const uint64_t rowsAtOnce =
        std::max<uint64_t>(1, (keep ? kPieceBytes : kRoundedPieceBytes) / panelBytes) *
        kPanelChannels;
    for (uint64_t row = 0; row < part.rows; row += rowsAtOnce) {
      const uint64_t count = std::min(rowsAtOnce, part.rows - row);
      piece.resize(packedBytes(format, count, part.columns));
      if (llvm::Error error =
              pack(tensor, format, order, part, part.firstRow + row, count, feedback))
        return error;
      if (llvm::Error error = writer.append(piece))
        return error;
    }
    return llvm::Error::success();
  }

  /// Packs `count` rows of a part into `piece`. Columns are copied only where some are left out.
  llvm::Error pack(const frontend::Tensor &tensor, WeightFormat format,
                   llvm::ArrayRef<uint32_t> order, const TensorPart &part, uint64_t row,
                   uint64_t count, const ColumnFeedback *feedback) {
    const bool keep = format == tensor.format;
    if (part.columns == tensor.columns)
      return keep ? packMatrix(tensor, order, row, count, piece)
                  : reblockMatrix(tensor, format, order, row, count, threads, piece, feedback);
    if (!keep) { // A row's scale covers all of its columns: rows are rounded whole.
      columns.resize(packedBytes(format, count, tensor.columns));
      if (llvm::Error error =
              reblockMatrix(tensor, format, order, row, count, threads, columns, feedback))
        return error;
      copyPanelColumns(format, columns, tensor.columns, part.firstColumn, part.columns, piece);
      return llvm::Error::success();
    }
    auto copy = copyPart(tensor, order, {row, count, part.firstColumn, part.columns}, columns);
    if (!copy)
      return copy.takeError();
    return packMatrix(*copy, {}, 0, count, piece);
  }

  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  EngineWriter &writer;
  const frontend::Checkpoint &checkpoint;
  InputSource *inputs; ///< May be null.
  uint64_t rank;
  std::vector<uint8_t> piece, columns;
};
} // namespace

/// The stored weights of a program in order of place.
static llvm::SmallVector<WeightOp> storedWeights(mlir::plan::EngineOp plan, uint32_t program) {
  llvm::SmallVector<WeightOp> stored;
  for (WeightOp weight : plan.getOps<WeightOp>())
    if (!weight.getSeed() && weight.getProgramNumber() == program)
      stored.push_back(weight);
  llvm::sort(stored, [](WeightOp a, WeightOp b) { return a.getOffset() < b.getOffset(); });
  return stored;
}

llvm::Error writeWeights(EngineWriter &writer, mlir::plan::EngineOp plan, mlir::ModuleOp module,
                         const frontend::Checkpoint &checkpoint, InputSource *inputs,
                         WeightProgress progress) {
  uint64_t all = 0, done = 0;
  for (mlir::plan::ChipOp chip : plan.getOps<mlir::plan::ChipOp>())
    all += chip.getWeightsBytes();
  for (mlir::plan::ChipOp chip : plan.getOps<mlir::plan::ChipOp>()) {
    const llvm::SmallVector<WeightOp> stored = storedWeights(plan, chip.getProgramNumber());
    if (stored.empty())
      continue; // An empty section is left out.
    if (llvm::Error error =
            writer.beginSection(engine::SectionKind::Weights, engine::Variant::None, chip.getId()))
      return error;
    Stream stream(writer, checkpoint, inputs, chip.getId() % plan.getGrid().back());
    for (WeightOp weight : stored) {
      auto declared = module.lookupSymbol<mlir::tenon::WeightOp>(weight.getTensorName());
      if (llvm::Error error = stream.write(weight, declared))
        return error;
      progress(done += weight.getSize(), all);
    }
    if (llvm::Error error = writer.padTo(chip.getWeightsBytes()))
      return error;
  }
  return llvm::Error::success();
}

} // namespace tenon::compiler
