//===- WeightImages.cpp - A region's weights for both sides ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/WeightImages.h"

#include "compiler/pack/Packer.h"
#include "compiler/pack/TensorPart.h"
#include "dialects/tenon/TenonOps.h"
#include "frontends/Importer.h"
#include "runtime/engine/RandomWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

namespace tenon::compiler {

using namespace mlir;
using mlir::tenon::HostTensor;

/// The declaration behind a value: through a block argument to what the first call passes.
static mlir::tenon::WeightOp declarationOf(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    func::CallOp first;
    function->getParentOfType<ModuleOp>().walk([&](func::CallOp call) {
      if (!first && call.getCallee() == function.getSymName())
        first = call;
    });
    return first ? declarationOf(first.getOperand(argument.getArgNumber()))
                 : mlir::tenon::WeightOp();
  }
  auto param = value.getDefiningOp<mlir::tenon::ParamOp>();
  return param ? SymbolTable::lookupNearestSymbolFrom<mlir::tenon::WeightOp>(param,
                                                                             param.getWeightAttr())
               : mlir::tenon::WeightOp();
}

static llvm::Error loadVector(WeightImage &image, std::vector<float> values) {
  image.bytes = AlignedBytes(values.size() * sizeof(float));
  std::memcpy(image.bytes.data(), values.data(), values.size() * sizeof(float));
  image.values = HostTensor::floats({static_cast<int64_t>(values.size())}, std::move(values));
  return llvm::Error::success();
}

/// The reference reads the panels that the kernel reads.
static void readPanels(WeightImage &image, const frontend::Tensor &tensor, WeightFormat format) {
  llvm::ArrayRef<uint8_t> panels(image.bytes.data(), image.bytes.size());
  image.values = HostTensor::stored(
      {static_cast<int64_t>(tensor.rows), static_cast<int64_t>(tensor.columns)},
      [panels, format, columns = tensor.columns](int64_t row, llvm::MutableArrayRef<float> out) {
        for (uint64_t column = 0; column < columns; ++column)
          out[column] = unpackValue(format, panels, columns, row, column);
      });
}

/// A tensor without data: what the runtime would make of a seed.
static llvm::Error loadMade(WeightImage &image, const frontend::Tensor &tensor, bool matrix,
                            WeightFormat format) {
  engine::WeightPlan plan;
  plan.format = matrix ? format : WeightFormat::F32;
  plan.rows = tensor.rows;
  plan.columns = tensor.columns;
  plan.packed = matrix;
  plan.randomSeed = 1;
  if (!matrix) {
    std::vector<float> values(tensor.columns);
    engine::makePlain(plan, reinterpret_cast<std::byte *>(values.data()));
    return loadVector(image, std::move(values));
  }
  image.bytes = AlignedBytes(packedBytes(format, tensor.rows, tensor.columns));
  engine::makePanels(plan, 0, panelCount(tensor.rows),
                     reinterpret_cast<std::byte *>(image.bytes.data()));
  readPanels(image, tensor, format);
  return llvm::Error::success();
}

/// Most that rounding may change a matrix by, relative to its root mean square: several times what
/// it does, and far below what a wrong row or scale would.
static double mostRounding(const FormatInfo &info) {
  return info.isFloat() ? 0.01 : 8.0 / (1 << info.bits);
}

/// Whether the stored values of rounded panels are those of the tensor, but for the rounding; on
/// some of its rows.
static llvm::Error checkRounding(const WeightImage &image, const frontend::Tensor &tensor,
                                 const std::vector<uint32_t> &order, WeightFormat format) {
  constexpr uint64_t mostRows = 32;
  const llvm::ArrayRef<uint8_t> panels(image.bytes.data(), image.bytes.size());
  std::vector<float> values(tensor.columns);
  double all = 0, difference = 0;
  for (uint64_t i = 0; i < std::min(mostRows, tensor.rows); ++i) {
    const uint64_t row = i * tensor.rows / std::min(mostRows, tensor.rows);
    frontend::dequantizeRow(tensor, order.empty() ? row : order[row], values);
    for (uint64_t column = 0; column < tensor.columns; ++column) {
      const double d =
          double(unpackValue(format, panels, tensor.columns, row, column)) - values[column];
      difference += d * d;
      all += double(values[column]) * values[column];
    }
  }
  const FormatInfo info = formatInfo(format);
  if (difference <= mostRounding(info) * mostRounding(info) * all)
    return llvm::Error::success();
  return llvm::createStringError(
      llvm::formatv("tensor '{0}' as stored differs from the checkpoint's by {1:f3} of its root "
                    "mean square, and rounding to {2} explains at most {3:f3}",
                    tensor.name, std::sqrt(difference / all), llvm::StringRef(info.name),
                    mostRounding(info))
          .str());
}

/// `tensor`, or the part of one, as `chip` stores it under `name`.
static llvm::Error loadMatrix(WeightImage &image, const frontend::Tensor &tensor,
                              const std::vector<uint32_t> &order, WeightFormat format,
                              llvm::StringRef name, uint32_t chip, const StoredWeights &stored) {
  image.bytes = AlignedBytes(packedBytes(format, tensor.rows, tensor.columns));
  if (llvm::Error error = stored.read(name, chip, {image.bytes.data(), image.bytes.size()}))
    return error;
  if (format != tensor.format) {
    // Rounding the weights is the choice of --weights, not an error of the kernel.
    readPanels(image, tensor, format);
    return checkRounding(image, tensor, order, format);
  }
  image.values =
      HostTensor::stored({static_cast<int64_t>(tensor.rows), static_cast<int64_t>(tensor.columns)},
                         [&tensor, order](int64_t row, llvm::MutableArrayRef<float> out) {
                           frontend::dequantizeRow(tensor, order.empty() ? row : order[row], out);
                         });
  return llvm::Error::success();
}

static std::vector<uint32_t> rowOrder(const frontend::Tensor &tensor,
                                      const frontend::Checkpoint &checkpoint) {
  uint32_t heads = 0;
  if (!frontend::needsRotaryRowOrder(checkpoint, tensor.name, heads))
    return {};
  return rotaryRowOrder(heads, checkpoint.config().headDim, checkpoint.config().rotary);
}

/// The first chip that runs the weight's program.
static uint32_t firstChip(mlir::tenon::WeightOp declared) {
  auto chips = declared->getParentOfType<ModuleOp>()->getAttrOfType<DenseI64ArrayAttr>(
      mlir::tenon::TenonDialect::kChipsAttrName);
  return chips ? chips[0] : 0;
}

/// The part that the first chip of the weight's program holds.
static llvm::Error loadPart(WeightImage &image, mlir::tenon::WeightOp declared,
                            const frontend::Tensor &tensor, const frontend::Checkpoint &checkpoint,
                            WeightFormat format, const StoredWeights &stored) {
  llvm::ArrayRef<int64_t> begins = declared.getCut()->getBegins();
  const uint32_t chip = firstChip(declared);
  const uint64_t rank = chip % begins.size();
  const RankedTensorType type = declared.getTensorType();
  const auto part = TensorPart::along(declared.getCut()->getDim(), begins[rank], type.getDimSize(0),
                                      type.getDimSize(1));
  auto copy = copyPart(tensor, rowOrder(tensor, checkpoint), part, image.partBytes);
  if (!copy)
    return copy.takeError();
  image.part = std::make_shared<frontend::Tensor>(std::move(*copy));
  return loadMatrix(image, *image.part, {}, format, tensor.name, chip, stored);
}

llvm::Expected<WeightImage> loadWeightImage(Value value, const frontend::Checkpoint &checkpoint,
                                            const StoredWeights &stored) {
  mlir::tenon::WeightOp declared = declarationOf(value);
  if (!declared)
    return llvm::createStringError("a region reads a weight that no call gives it");
  WeightImage image;
  llvm::Error error = llvm::Error::success();
  const frontend::Tensor *tensor = checkpoint.find(declared.getSymName());
  const WeightFormat format = mlir::tenon::weightFormat(declared.getTensorType());
  if (declared.getValue()) {
    auto values = cast<DenseElementsAttr>(*declared.getValue()).getValues<float>();
    error = loadVector(image, {values.begin(), values.end()});
  } else if (!tensor) {
    return llvm::createStringError(checkpoint.path() + ": has no tensor '" + declared.getSymName() +
                                   "'");
  } else if (const bool matrix = declared.getTensorType().getRank() == 2; checkpoint.randomSeed()) {
    frontend::Tensor made = *tensor;
    if (matrix) {
      made.rows = declared.getTensorType().getDimSize(0);
      made.columns = declared.getTensorType().getDimSize(1);
    }
    error = loadMade(image, made, matrix, format);
  } else if (matrix && declared.getCut()) {
    error = loadPart(image, declared, *tensor, checkpoint, format, stored);
  } else if (matrix) {
    error = loadMatrix(image, *tensor, rowOrder(*tensor, checkpoint), format, tensor->name,
                       firstChip(declared), stored);
  } else {
    std::vector<float> values(tensor->columns);
    frontend::dequantizeRow(*tensor, 0, values);
    error = loadVector(image, std::move(values));
  }
  if (error)
    return std::move(error);
  return std::move(image);
}

} // namespace tenon::compiler
