//===- AttentionOps.cpp - Heads, rotary positions, attention --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/OpShapes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::tenon;

//===----------------------------------------------------------------------===//
// SplitHeadsOp and MergeHeadsOp
//===----------------------------------------------------------------------===//

void SplitHeadsOp::build(OpBuilder &builder, OperationState &state, Value input, int64_t heads) {
  RankedTensorType type = tensorType(input);
  build(builder, state,
        f32Tensor(builder.getContext(),
                  {type.getDimSize(0), heads, heads > 0 ? type.getDimSize(1) / heads : 0}),
        input);
}

LogicalResult SplitHeadsOp::verify() {
  RankedTensorType input = getInput().getType(), result = getResult().getType();
  if (failed(checkRows(getLoc(), input, 2, "input")) ||
      failed(checkRows(getLoc(), result, 3, "result")))
    return failure();
  if (input.getDimSize(0) != result.getDimSize(0))
    return emitOpError() << "keeps the rows, found " << input << " and " << result;
  if (input.getDimSize(1) != result.getDimSize(1) * result.getDimSize(2))
    return emitOpError() << input.getDimSize(1) << " columns are not " << result.getDimSize(1)
                         << " heads of " << result.getDimSize(2);
  return success();
}

OpFoldResult SplitHeadsOp::fold(FoldAdaptor adaptor) {
  auto merge = getInput().getDefiningOp<MergeHeadsOp>();
  if (merge && merge.getInput().getType() == getType())
    return merge.getInput();
  return {};
}

LogicalResult MergeHeadsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, 3, "input")))
    return failure();
  types.push_back(
      f32Tensor(context, {input.getDimSize(0), input.getDimSize(1) * input.getDimSize(2)}));
  return success();
}

OpFoldResult MergeHeadsOp::fold(FoldAdaptor adaptor) {
  if (auto split = getInput().getDefiningOp<SplitHeadsOp>())
    return split.getInput();
  return {};
}

//===----------------------------------------------------------------------===//
// RopeTableOp and RopeOp
//===----------------------------------------------------------------------===//

LogicalResult RopeTableOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType frequencies = tensorType(adaptor.getFrequencies());
  if (frequencies.isDynamicDim(0) || frequencies.getEncoding())
    return emitOptionalError(loc, "frequencies are a dense static vector, found ", frequencies);
  types.push_back(f32Tensor(
      context, {tensorType(adaptor.getPositions()).getDimSize(0), 2, frequencies.getDimSize(0)}));
  return success();
}

LogicalResult RopeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType table = tensorType(adaptor.getTable());
  if (failed(checkRows(loc, input, 3, "input")) || failed(checkRows(loc, table, 3, "table")) ||
      failed(checkSameRows(loc, input, "input", table, "table")))
    return failure();
  if (table.getDimSize(1) != 2)
    return emitOptionalError(loc, "table is [rows, 2, half] (cosines, then sines), found ", table);
  if (2 * table.getDimSize(2) > input.getDimSize(2))
    return emitOptionalError(loc, "table rotates ", 2 * table.getDimSize(2),
                             " elements and a head has ", input.getDimSize(2));
  types.push_back(input);
  return success();
}

LogicalResult RopeOp::verify() {
  if (getRotary() && static_cast<int64_t>(*getRotary()) != getRotaryElements())
    return emitOpError() << "rotary is " << *getRotary() << " and the table rotates "
                         << getRotaryElements() << " elements";
  return success();
}

//===----------------------------------------------------------------------===//
// AttentionOp, KvAppendOp, AttendOp
//===----------------------------------------------------------------------===//

/// Keys or values [rows, kvHeads, headDim] against the cache they go to.
static LogicalResult checkKeys(std::optional<Location> loc, RankedTensorType type, StringRef what,
                               KvType kv) {
  if (failed(checkRows(loc, type, 3, what)))
    return failure();
  if (type.getDimSize(1) != kv.getKvHeads() || type.getDimSize(2) != kv.getHeadDim())
    return emitOptionalError(loc, what, " has ", type.getDimSize(1), " heads of ",
                             type.getDimSize(2), " and the cache is ", kv);
  return success();
}

/// `group` and `skipped`: as the attention's attributes.
static LogicalResult checkQuery(std::optional<Location> loc, RankedTensorType type, KvType kv,
                                int64_t group, int64_t skipped) {
  if (failed(checkRows(loc, type, 3, "query")))
    return failure();
  if (type.getDimSize(2) != kv.getHeadDim())
    return emitOptionalError(loc, "query heads have ", type.getDimSize(2),
                             " elements and the cache is ", kv);
  const int64_t heads = type.getDimSize(1);
  if (group ? skipped >= group : skipped > 0)
    return emitOptionalError(loc, "skips ", skipped, " query heads of a group of ", group);
  if (group && (heads + skipped + group - 1) / group != kv.getKvHeads())
    return emitOptionalError(loc, heads, " query heads after ", skipped, " in groups of ", group,
                             " do not read ", kv.getKvHeads(), " KV heads");
  if (!group && heads % kv.getKvHeads() != 0)
    return emitOptionalError(loc, type.getDimSize(1), " query heads are no multiple of ",
                             kv.getKvHeads(), " KV heads");
  return success();
}

/// Every query row brings its own key and value.
static LogicalResult checkKeysAndValues(std::optional<Location> loc, RankedTensorType key,
                                        RankedTensorType value, KvType kv) {
  if (failed(checkKeys(loc, key, "key", kv)) || failed(checkKeys(loc, value, "value", kv)))
    return failure();
  return checkSameRows(loc, key, "key", value, "value");
}

static LogicalResult checkSoftcap(Operation *op, APFloat softcap) {
  if (!(softcap.convertToFloat() >= 0.0f))
    return op->emitOpError() << "softcap is positive, or 0 for none; found "
                             << softcap.convertToFloat();
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto kv = cast<KvType>(adaptor.getKv().getType());
  RankedTensorType query = tensorType(adaptor.getQuery()), key = tensorType(adaptor.getKey());
  if (failed(checkQuery(loc, query, kv, adaptor.getGroup(), adaptor.getSkippedHeads())) ||
      failed(checkKeysAndValues(loc, key, tensorType(adaptor.getValue()), kv)) ||
      failed(checkSameRows(loc, query, "query", key, "key")))
    return failure();
  types.push_back(query);
  return success();
}

LogicalResult AttentionOp::verify() { return checkSoftcap(*this, getSoftcap()); }

LogicalResult KvAppendOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                           Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto kv = cast<KvType>(adaptor.getKv().getType());
  if (failed(checkKeysAndValues(loc, tensorType(adaptor.getKey()), tensorType(adaptor.getValue()),
                                kv)))
    return failure();
  types.push_back(kv);
  return success();
}

LogicalResult AttendOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType query = tensorType(adaptor.getQuery());
  if (failed(checkQuery(loc, query, cast<KvType>(adaptor.getKv().getType()), adaptor.getGroup(),
                        adaptor.getSkippedHeads())))
    return failure();
  types.push_back(query);
  return success();
}

LogicalResult AttendOp::verify() { return checkSoftcap(*this, getSoftcap()); }
