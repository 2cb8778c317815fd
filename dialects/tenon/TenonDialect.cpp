//===- TenonDialect.cpp - Dialect, attributes and types -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/TenonDialect.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::tenon;

#include "dialects/tenon/TenonDialect.cpp.inc"

#include "dialects/tenon/TenonEnums.cpp.inc"

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static ParseResult parseWeightFormat(AsmParser &parser, ::tenon::WeightFormat &format) {
  StringRef name;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return failure();
  std::optional<::tenon::WeightFormat> parsed =
      ::tenon::parseWeightFormat({name.data(), name.size()});
  if (!parsed) {
    InFlightDiagnostic error = parser.emitError(loc)
                               << "unknown weight format '" << name << "'; known are";
    for (uint32_t i = 0; i < ::tenon::kNumWeightFormats; ++i)
      error << (i ? ", " : " ")
            << StringRef(::tenon::formatInfo(static_cast<::tenon::WeightFormat>(i)).name);
    return failure();
  }
  format = *parsed;
  return success();
}

static void printWeightFormat(AsmPrinter &printer, ::tenon::WeightFormat format) {
  printer << StringRef(::tenon::formatInfo(format).name);
}

#define GET_ATTRDEF_CLASSES
#include "dialects/tenon/TenonAttributes.cpp.inc"

LogicalResult BlocksAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                         function_ref<InFlightDiagnostic()> emitError) const {
  const ::tenon::FormatInfo info = ::tenon::formatInfo(getFormat());
  if (!elementType.isF32())
    return emitError() << "logical elements of a weight are f32, found " << elementType;
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape))
    return emitError() << "#tenon.blocks<" << StringRef(info.name)
                       << "> encodes a static matrix [output channels, columns]";
  if (shape[1] % info.kMultiple != 0)
    return emitError() << StringRef(info.name) << " groups " << info.kMultiple << " columns; "
                       << shape[1] << " columns are no multiple of that";
  return success();
}

LogicalResult CutAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t dim,
                              ArrayRef<int64_t> begins) {
  if (dim < 0 || dim > 1)
    return emitError() << "a stored tensor is cut along dimension 0 or 1, found " << dim;
  if (begins.empty() || llvm::any_of(begins, [](int64_t begin) { return begin < 0; }))
    return emitError() << "every chip has a beginning, 0 or more";
  return success();
}

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, RowElement element,
                               uint32_t group) {
  const uint32_t wanted = element == RowElement::BF16 ? 1 : 32;
  if (group != wanted)
    return emitError() << stringifyRowElement(element) << " rows have groups of " << wanted
                       << " column(s), found " << group;
  return success();
}

LogicalResult RowsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (!elementType.isF32())
    return emitError() << "logical elements of quantised rows are f32, found " << elementType;
  if (shape.size() != 2 || ShapedType::isDynamic(shape[1]))
    return emitError() << "quantised rows are a matrix [rows, columns] with static columns";
  if (shape[1] % getGroup() != 0)
    return emitError() << "quantised rows have groups of " << getGroup() << " columns; " << shape[1]
                       << " columns are no multiple of that";
  return success();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

#define GET_TYPEDEF_CLASSES
#include "dialects/tenon/TenonTypes.cpp.inc"

LogicalResult KvType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t kvHeads,
                             int64_t headDim) {
  if (kvHeads <= 0 || headDim <= 0)
    return emitError() << "KV heads and head size are positive, found " << kvHeads << " and "
                       << headDim;
  return success();
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t layers,
                                int64_t kvHeads, int64_t headDim) {
  if (layers <= 0)
    return emitError() << "a cache has at least one layer, found " << layers;
  return KvType::verify(emitError, kvHeads, headDim);
}

::tenon::WeightFormat mlir::tenon::weightFormat(RankedTensorType type) {
  if (auto blocks = dyn_cast_or_null<BlocksAttr>(type.getEncoding()))
    return blocks.getFormat();
  return ::tenon::WeightFormat::F32;
}

bool mlir::tenon::hasBlockFormat(RankedTensorType weight) {
  return !::tenon::formatInfo(weightFormat(weight)).isFloat();
}

bool mlir::tenon::isQuantizedRows(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto rows = tensor ? dyn_cast_or_null<RowsAttr>(tensor.getEncoding()) : RowsAttr();
  return rows && rows.getElement() != RowElement::BF16;
}

bool mlir::tenon::isRoundedRows(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto rows = tensor ? dyn_cast_or_null<RowsAttr>(tensor.getEncoding()) : RowsAttr();
  return rows && rows.getElement() == RowElement::BF16;
}

RankedTensorType mlir::tenon::denseType(RankedTensorType type) {
  return RankedTensorType::get(type.getShape(), type.getElementType());
}

RankedTensorType mlir::tenon::quantizedRowsType(RankedTensorType type, RowElement element) {
  return RankedTensorType::get(
      type.getShape(), type.getElementType(),
      RowsAttr::get(type.getContext(), element, element == RowElement::BF16 ? 1 : 32));
}

uint32_t mlir::tenon::rowBits(Type type) {
  auto rows = cast<RowsAttr>(cast<RankedTensorType>(type).getEncoding());
  return rows.getElement() == RowElement::Int8 ? 8 : 15;
}

//===----------------------------------------------------------------------===//
// Dialect
//===----------------------------------------------------------------------===//

void TenonDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/tenon/TenonAttributes.cpp.inc"
      >();
}

void TenonDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/tenon/TenonTypes.cpp.inc"
      >();
}

void TenonDialect::initialize() {
  registerAttributes();
  registerTypes();
  registerOps();
}

LogicalResult TenonDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == kConfigAttrName) {
    if (!isa<ModuleOp>(op) || !isa<DictionaryAttr>(attribute.getValue()))
      return op->emitOpError() << "attribute '" << kConfigAttrName
                               << "' is a dictionary on a module";
    return success();
  }
  if (attribute.getName() == kMaxContextAttrName) {
    auto value = dyn_cast<IntegerAttr>(attribute.getValue());
    if (!isa<ModuleOp>(op) || !value || value.getInt() <= 0)
      return op->emitOpError() << "attribute '" << kMaxContextAttrName
                               << "' is a positive integer on a module";
  }
  if (attribute.getName() == kReplicasAttrName) {
    auto value = dyn_cast<IntegerAttr>(attribute.getValue());
    if (op->getName().getStringRef() != "shard.grid" || !value || !value.getType().isInteger(64) ||
        value.getInt() < 2 || value.getInt() > kMostReplicas)
      return op->emitOpError() << "attribute '" << kReplicasAttrName
                               << "' is a 64-bit integer from 2 to " << kMostReplicas
                               << " on a shard.grid";
  }
  return success();
}
