//===- AttentionReference.cpp - Reference of heads, rope and attention ----===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/TenonOps.h"
#include "dialects/tenon/reference/HostKvCache.h"
#include "dialects/tenon/reference/ReferenceContext.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::tenon;

using Values = FailureOr<SmallVector<HostTensor>>;

static SmallVector<HostTensor> one(HostTensor tensor) { return {std::move(tensor)}; }

/// The same elements in the shape of `type`, whose rows are those of `tensor`.
static HostTensor reshaped(const HostTensor &tensor, RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = tensor.dim(0);
  return HostTensor::floats(shape, tensor.toFloats());
}

Values SplitHeadsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return one(reshaped(operands[0], getType()));
}

Values MergeHeadsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return one(reshaped(operands[0], getType()));
}

Values RopeTableOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<int32_t> positions = operands[0].ints();
  const std::vector<float> frequencies = operands[1].toFloats();
  const double scale = getScale().convertToFloat();
  const size_t half = frequencies.size();
  std::vector<float> out(positions.size() * 2 * half);
  for (auto [row, position] : llvm::enumerate(positions)) {
    float *cosines = &out[row * 2 * half], *sines = cosines + half;
    for (size_t i = 0; i < half; ++i) {
      // The angle is an f32 product, as models and kernels compute it.
      const double angle = static_cast<float>(position) * frequencies[i];
      cosines[i] = static_cast<float>(std::cos(angle) * scale);
      sines[i] = static_cast<float>(std::sin(angle) * scale);
    }
  }
  return one(HostTensor::floats(
      {static_cast<int64_t>(positions.size()), 2, static_cast<int64_t>(half)}, std::move(out)));
}

Values RopeOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<float> x = operands[0].floats(), table = operands[1].floats();
  const size_t rows = operands[0].dim(0), heads = operands[0].dim(1), dim = operands[0].dim(2);
  const size_t half = operands[1].dim(2);
  std::vector<float> out(x.begin(), x.end());
  for (size_t row = 0; row < rows; ++row) {
    const float *cosines = &table[row * 2 * half], *sines = cosines + half;
    for (size_t head = 0; head < heads; ++head) {
      float *element = &out[(row * heads + head) * dim];
      for (size_t i = 0; i < half; ++i) {
        const double a = element[i], b = element[i + half];
        element[i] = static_cast<float>(a * cosines[i] - b * sines[i]);
        element[i + half] = static_cast<float>(b * cosines[i] + a * sines[i]);
      }
    }
  }
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

/// Fails unless the context says where every row stands.
static LogicalResult checkPlaces(Operation *op, const HostTensor &rows,
                                 const ReferenceContext &context) {
  const size_t count = rows.dim(0);
  if (context.positions.size() != count || context.sequences.size() != count)
    return op->emitOpError() << "has " << count << " rows and the context places "
                             << context.positions.size() << " positions in "
                             << context.sequences.size() << " sequences";
  return success();
}

static void append(const HostTensor &key, const HostTensor &value, const HostTensor &kv,
                   const ReferenceContext &context) {
  const int64_t elements = key.rowElements();
  for (int64_t row = 0; row < key.dim(0); ++row)
    kv.kvCacheRef().write(kv.layer(), context.sequences[row], context.positions[row],
                          key.floats().slice(row * elements, elements),
                          value.floats().slice(row * elements, elements));
}

namespace {
/// What the scores of one head are made with.
struct ScoreRule {
  double scale, softcap;
  int32_t window; ///< 0: none.
};
} // namespace

/// One query head [headDim] over the positions that it sees, into `out` [headDim].
static void attendHead(ArrayRef<float> query, const HostTensor &kv, int64_t kvHead,
                       int32_t sequence, int32_t position, const ScoreRule &rule,
                       MutableArrayRef<float> out) {
  const HostKvCache &cache = kv.kvCacheRef();
  const int64_t dim = cache.headDim();
  const int32_t first = rule.window > 0 ? std::max(0, position - rule.window + 1) : 0;
  std::vector<double> scores, sums(dim);
  double highest = -INFINITY;
  for (int32_t at = first; at <= position; ++at) {
    ArrayRef<float> key = cache.key(kv.layer(), sequence, at).slice(kvHead * dim, dim);
    double score = 0;
    for (int64_t i = 0; i < dim; ++i)
      score += static_cast<double>(query[i]) * key[i];
    score *= rule.scale;
    if (rule.softcap != 0)
      score = rule.softcap * std::tanh(score / rule.softcap);
    scores.push_back(score);
    highest = std::max(highest, score);
  }
  double total = 0;
  for (auto [offset, score] : llvm::enumerate(scores)) {
    const double weight = std::exp(score - highest);
    total += weight;
    ArrayRef<float> value =
        cache.value(kv.layer(), sequence, first + offset).slice(kvHead * dim, dim);
    for (int64_t i = 0; i < dim; ++i)
      sums[i] += weight * value[i];
  }
  for (int64_t i = 0; i < dim; ++i)
    out[i] = static_cast<float>(sums[i] / total);
}

/// Heads by the KV head that they read.
struct Grouping {
  int64_t group, skipped;
};

static Values attend(Operation *op, Grouping grouping, const HostTensor &query,
                     const HostTensor &kv, const ScoreRule &rule, const ReferenceContext &context) {
  const int64_t rows = query.dim(0), heads = query.dim(1), dim = query.dim(2);
  const int64_t group = grouping.group ? grouping.group : heads / kv.kvCacheRef().kvHeads();
  std::vector<float> out(rows * heads * dim);
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t sequence = context.sequences[row], position = context.positions[row];
    if (position >= kv.kvCacheRef().length(kv.layer(), sequence))
      return op->emitOpError() << "row " << row << " attends at position " << position
                               << " of sequence " << sequence << ", which was not written";
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t at = (row * heads + head) * dim;
      attendHead(query.floats().slice(at, dim), kv, (head + grouping.skipped) / group, sequence,
                 position, rule, MutableArrayRef<float>(out).slice(at, dim));
    }
  }
  return one(HostTensor::floats(query.shape(), std::move(out)));
}

Values AttentionOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  if (failed(checkPlaces(*this, operands[0], context)))
    return failure();
  append(operands[1], operands[2], operands[3], context);
  return attend(*this, {getGroup(), getSkippedHeads()}, operands[0], operands[3],
                {getScale().convertToFloat(), getSoftcap().convertToFloat(),
                 static_cast<int32_t>(getWindow())},
                context);
}

Values KvAppendOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  if (failed(checkPlaces(*this, operands[0], context)))
    return failure();
  append(operands[0], operands[1], operands[2], context);
  return one(operands[2]);
}

Values AttendOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  if (failed(checkPlaces(*this, operands[0], context)))
    return failure();
  return attend(*this, {getGroup(), getSkippedHeads()}, operands[0], operands[1],
                {1.0, getSoftcap().convertToFloat(), static_cast<int32_t>(getWindow())}, context);
}
