//===- Cost.cpp - What an op moves and computes ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/Cost.h"

#include "dialects/tenon/TenonOps.h"

#include "runtime/device/cpu/KernelAbi.h"

using namespace mlir;
using namespace mlir::tenon;

#include "dialects/tenon/TenonInterfaces.cpp.inc"

Cost &Cost::operator+=(const Cost &other) {
  weightBytes += other.weightBytes;
  bytesPerToken += other.bytesPerToken;
  bytesPerLogitRow += other.bytesPerLogitRow;
  bytesPerContext += other.bytesPerContext;
  macsPerToken += other.macsPerToken;
  macsPerLogitRow += other.macsPerLogitRow;
  macsPerContext += other.macsPerContext;
  return *this;
}

uint64_t Cost::bytes(uint64_t tokens, uint64_t logitRows, uint64_t context) const {
  return weightBytes + bytesPerToken * tokens + bytesPerLogitRow * logitRows +
         bytesPerContext * context;
}

uint64_t Cost::macs(uint64_t tokens, uint64_t logitRows, uint64_t context) const {
  return macsPerToken * tokens + macsPerLogitRow * logitRows + macsPerContext * context;
}

bool mlir::tenon::isActivation(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32() && type.isDynamicDim(0);
}

RowDomain mlir::tenon::rowDomain(Value value) {
  while (true) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto region = dyn_cast_or_null<FusedOp>(argument.getOwner()->getParentOp());
      if (!region)
        return RowDomain::Token;
      value = region.getCaptured(argument);
      continue;
    }
    Operation *def = value.getDefiningOp();
    if (auto select = dyn_cast<SelectRowsOp>(def))
      return select.getKept() ? RowDomain::Kept : RowDomain::LogitRow;
    if (auto region = dyn_cast<FusedOp>(def)) {
      value = region.getYield().getValues()[cast<OpResult>(value).getResultNumber()];
      continue;
    }
    // All row operands of an op have one domain; follow the first.
    auto *rows = llvm::find_if(def->getOpOperands(), [](OpOperand &operand) {
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      return type && type.isDynamicDim(0);
    });
    if (!isa<TenonDialect>(def->getDialect()) || rows == def->getOpOperands().end())
      return RowDomain::Token;
    value = rows->get();
  }
}

/// Bytes of one row, or of everything if all dimensions are static.
static uint64_t storedBytes(RankedTensorType type) {
  const uint64_t elementBytes = type.getElementTypeBitWidth() / 8;
  if (isQuantizedRows(type))
    return ::tenon::cpu::QuantRowLayout(type.getDimSize(1), rowBits(type)).stride() *
           (type.hasStaticShape() ? type.getDimSize(0) : 1);
  if (type.getRank() == 2 && type.hasStaticShape()) // a matrix, in panels whatever its format
    return ::tenon::packedBytes(weightFormat(type), type.getDimSize(0), type.getDimSize(1));
  uint64_t elements = 1;
  for (int64_t size : type.getShape())
    elements *= ShapedType::isDynamic(size) ? 1 : size;
  return elements * (isRoundedRows(type) ? 2 : elementBytes);
}

static void addRowBytes(Cost &cost, RowDomain domain, uint64_t bytes) {
  (domain == RowDomain::Token ? cost.bytesPerToken : cost.bytesPerLogitRow) += bytes;
}

Cost mlir::tenon::valueCost(Value value) {
  Cost cost;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return cost;
  if (type.hasStaticShape())
    cost.weightBytes = storedBytes(type);
  else
    addRowBytes(cost, rowDomain(value), storedBytes(type));
  return cost;
}

Cost mlir::tenon::detail::operandsAndResultsCost(Operation *op) {
  Cost cost;
  for (Value operand : op->getOperands())
    cost += valueCost(operand);
  for (Value result : op->getResults())
    cost += valueCost(result);
  return cost;
}

static void addMacs(Cost &cost, RowDomain domain, uint64_t macs) {
  (domain == RowDomain::Token ? cost.macsPerToken : cost.macsPerLogitRow) += macs;
}

/// Bytes that keys and values of one position take in the cache, both together, as f16.
static uint64_t cachedBytes(KvType kv) { return 2 * 2 * kv.getKvHeads() * kv.getHeadDim(); }

// Views and handles: nothing moves.
Cost ParamOp::getCost() { return {}; }
Cost KvLayerOp::getCost() { return {}; }
Cost SplitHeadsOp::getCost() { return {}; }
Cost MergeHeadsOp::getCost() { return {}; }

Cost EmbedOp::getCost() {
  // One row of the table for each token, not the table.
  RankedTensorType table = getTable().getType();
  Cost cost = valueCost(getResult());
  cost += valueCost(getIds());
  addRowBytes(cost, rowDomain(getResult()), storedBytes(table) / table.getDimSize(0));
  return cost;
}

Cost SelectRowsOp::getCost() {
  // Of the input, the rows that are selected.
  Cost cost = valueCost(getResult());
  addRowBytes(cost, RowDomain::LogitRow,
              storedBytes(getInput().getType()) + storedBytes(getRows().getType()));
  return cost;
}

template <typename Product> static Cost productCost(Product op) {
  Cost cost = mlir::tenon::detail::operandsAndResultsCost(op);
  RankedTensorType weight = op.getWeight().getType();
  addMacs(cost, rowDomain(op.getResult()), weight.getDimSize(0) * weight.getDimSize(1));
  return cost;
}

Cost LinearOp::getCost() { return productCost(*this); }
Cost LogitsOp::getCost() { return productCost(*this); }

Cost KvAppendOp::getCost() {
  Cost cost = mlir::tenon::detail::operandsAndResultsCost(*this);
  cost.bytesPerToken += cachedBytes(getKv().getType());
  return cost;
}

/// What reading the cache costs for each position a row sees.
static void addContext(Cost &cost, RankedTensorType query, KvType kv) {
  cost.bytesPerContext += cachedBytes(kv);
  cost.macsPerContext += 2 * query.getDimSize(1) * query.getDimSize(2);
}

Cost AttendOp::getCost() {
  Cost cost = mlir::tenon::detail::operandsAndResultsCost(*this);
  addContext(cost, getQuery().getType(), getKv().getType());
  return cost;
}

Cost AttentionOp::getCost() {
  Cost cost = mlir::tenon::detail::operandsAndResultsCost(*this);
  cost.bytesPerToken += cachedBytes(getKv().getType());
  addContext(cost, getQuery().getType(), getKv().getType());
  return cost;
}

/// What reading a region's input costs. Of a table or of rows that are gathered, only what is kept.
static Cost inputCost(BlockArgument argument) {
  Cost cost;
  if (argument.use_empty())
    return cost;
  Operation *reader = *argument.user_begin();
  if (argument.hasOneUse() && isa<EmbedOp, SelectRowsOp>(reader)) {
    auto type = cast<RankedTensorType>(argument.getType());
    const uint64_t rows = type.hasStaticShape() ? type.getDimSize(0) : 1;
    addRowBytes(cost, rowDomain(reader->getResult(0)), storedBytes(type) / rows);
    return cost;
  }
  return valueCost(argument);
}

Cost FusedOp::getCost() {
  // Rows inside never reach memory: of them only what enters and leaves counts.
  Cost cost;
  for (BlockArgument argument : getBodyBlock().getArguments())
    cost += inputCost(argument);
  for (Value result : getOutputs())
    cost += valueCost(result);
  for (Operation &op : getBodyBlock().without_terminator()) {
    auto costed = dyn_cast<CostOpInterface>(op);
    if (!costed)
      continue;
    const Cost part = costed.getCost();
    cost.bytesPerContext += part.bytesPerContext;
    cost.macsPerToken += part.macsPerToken;
    cost.macsPerLogitRow += part.macsPerLogitRow;
    cost.macsPerContext += part.macsPerContext;
    if (auto append = dyn_cast<KvAppendOp>(op))
      cost.bytesPerToken += cachedBytes(append.getKv().getType());
    if (auto attention = dyn_cast<AttentionOp>(op))
      cost.bytesPerToken += cachedBytes(attention.getKv().getType());
  }
  return cost;
}
