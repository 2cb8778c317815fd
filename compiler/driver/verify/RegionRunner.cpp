//===- RegionRunner.cpp - One region by kernel and by reference -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/RegionRunner.h"

#include "compiler/driver/verify/QuantRow.h"
#include "compiler/driver/verify/WeightImages.h"
#include "dialects/tenon/Cost.h"
#include "dialects/tenon/reference/ReferenceInterpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>

namespace tenon::compiler {

using namespace mlir;
using mlir::tenon::HostKvCache;
using mlir::tenon::HostTensor;
using mlir::tenon::isActivation;

static bool isWeight(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && !type.isDynamicDim(0);
}

/// Elements of one row of an activation.
static uint64_t rowElements(Value value) {
  uint64_t count = 1;
  for (int64_t dim : cast<RankedTensorType>(value.getType()).getShape().drop_front())
    count *= dim;
  return count;
}

static uint64_t rowBytes(Value value) {
  if (mlir::tenon::isRoundedRows(value.getType()))
    return rowElements(value) * sizeof(uint16_t);
  return mlir::tenon::isQuantizedRows(value.getType())
             ? cpu::QuantRowLayout(rowElements(value), mlir::tenon::rowBits(value.getType()))
                   .stride()
             : rowElements(value) * sizeof(float);
}

/// Row of bf16 as floats.
static void widenRow(const uint8_t *stored, llvm::MutableArrayRef<float> out) {
  for (float &value : out) {
    uint16_t half;
    std::memcpy(&half, stored, sizeof(half));
    value = llvm::bit_cast<float>(uint32_t(half) << 16);
    stored += sizeof(half);
  }
}

namespace {
/// Elements of the pools that hold one dimension of one head at one position (KernelAbi.h).
struct KvPlace {
  uint64_t key, value;
  KvPlace(const SampleStep &step, uint32_t sequence, uint32_t position, uint64_t head, uint64_t d,
          uint64_t heads, uint64_t dim) {
    const uint64_t slot = position % cpu::kBlockTokens;
    const uint64_t base =
        (step.blockOf(sequence, position) * heads + head) * dim * cpu::kBlockTokens;
    key = base + d * cpu::kBlockTokens + slot;
    value = base + slot * dim + d;
  }
};
} // namespace

RegionRunner::RegionRunner(mlir::tenon::FusedOp region, const mlir::tenon::LaunchSpec &launch,
                           uint64_t scratchBytes, const frontend::Checkpoint &checkpoint)
    : region(region), launch(launch), scratchBytes(scratchBytes), checkpoint(checkpoint) {}

llvm::Error RegionRunner::loadWeights(const StoredWeights &stored) {
  for (Value input : region.getInputs())
    if (isWeight(input) && !weights.contains(input)) {
      auto image = loadWeightImage(input, checkpoint, stored);
      if (!image)
        return image.takeError();
      weights.try_emplace(input, std::move(*image));
    }
  return llvm::Error::success();
}

uint64_t RegionRunner::rowsOf(Value value, const SampleStep &step) const {
  return mlir::tenon::rowDomain(value) == mlir::tenon::RowDomain::Token ? step.tokens()
                                                                        : step.logitRowCount();
}

RegionRunner::Activation RegionRunner::makeActivation(Value value, const SampleStep &step,
                                                      SampleRandom &random) const {
  const uint64_t rows = rowsOf(value, step), elements = rowElements(value);
  std::vector<float> values(rows * elements);
  for (float &x : values)
    x = random.number();
  AlignedBytes bytes(rows * rowBytes(value));
  for (uint64_t row = 0; row < rows; ++row) {
    llvm::MutableArrayRef<float> part(values.data() + row * elements, elements);
    if (mlir::tenon::isQuantizedRows(value.getType()))
      quantizeRow(part, bytes.data() + row * rowBytes(value),
                  mlir::tenon::rowBits(value.getType()));
    else
      std::memcpy(bytes.data() + row * rowBytes(value), part.data(), elements * sizeof(float));
  }
  llvm::SmallVector<int64_t> shape(cast<RankedTensorType>(value.getType()).getShape());
  shape[0] = rows;
  return {HostTensor::floats(shape, std::move(values)), std::move(bytes)};
}

/// Token ids, positions or logit rows: whichever the op that reads them means.
HostTensor RegionRunner::makeInts(BlockArgument argument, const SampleStep &step) const {
  const std::vector<int32_t> *values = &step.ids;
  for (Operation *user : argument.getUsers()) {
    if (isa<mlir::tenon::RopeTableOp>(user))
      values = &step.positions;
    if (isa<mlir::tenon::SelectRowsOp>(user))
      values = &step.logitRows;
  }
  return HostTensor::ints({static_cast<int64_t>(values->size())}, *values);
}

void RegionRunner::fillCache(HostKvCache &cache, Pools &pools, const SampleStep &step,
                             SampleRandom &random) const {
  const uint32_t heads = launch.spec.kvHeads, dim = launch.spec.headDim;
  const uint64_t poolBytes = uint64_t(step.blocks()) * heads * dim * cpu::kBlockTokens * 2;
  pools = {AlignedBytes(poolBytes), AlignedBytes(poolBytes)};
  if (launch.spec.kind != cpu::KernelKind::Attention)
    return;
  // All positions up to the last of each sequence, as earlier steps and this one would have written
  // them.
  for (uint32_t row = 0; row < step.tokens(); ++row) {
    const uint32_t sequence = step.sequences[row];
    const bool last = row + 1 == step.tokens() || step.sequences[row + 1] != step.sequences[row];
    for (int32_t position = 0; last && position <= step.positions[row]; ++position) {
      std::vector<float> key(uint64_t(heads) * dim), value(uint64_t(heads) * dim);
      for (uint64_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<_Float16>(random.number());
        value[i] = static_cast<_Float16>(random.number());
        const KvPlace place(step, sequence, position, i / dim, i % dim, heads, dim);
        pools.keys.as<_Float16>()[place.key] = static_cast<_Float16>(key[i]);
        pools.values.as<_Float16>()[place.value] = static_cast<_Float16>(value[i]);
      }
      cache.write(0, sequence, position, key, value);
    }
  }
}

ResultError RegionRunner::compareCache(const HostKvCache &cache, Pools &pools,
                                       const SampleStep &step) const {
  const uint32_t heads = launch.spec.kvHeads, dim = launch.spec.headDim;
  ResultError error;
  for (uint32_t row = 0; row < step.tokens(); ++row) {
    const uint32_t sequence = step.sequences[row], position = step.positions[row];
    llvm::ArrayRef<float> key = cache.key(0, sequence, position),
                          value = cache.value(0, sequence, position);
    for (uint64_t i = 0; i < key.size(); ++i) {
      const KvPlace place(step, sequence, position, i / dim, i % dim, heads, dim);
      const double keyError =
          std::abs(key[i] - static_cast<float>(pools.keys.as<_Float16>()[place.key]));
      const double valueError =
          std::abs(value[i] - static_cast<float>(pools.values.as<_Float16>()[place.value]));
      error.maxAbs = std::max({error.maxAbs, keyError, valueError});
      error.magnitude =
          std::max({error.magnitude, std::abs(double(key[i])), std::abs(double(value[i]))});
    }
  }
  return error;
}

ResultError RegionRunner::compare(Value result, const HostTensor &expected,
                                  const uint8_t *got) const {
  const uint64_t elements = rowElements(result), rows = expected.dim(0);
  llvm::ArrayRef<float> values = expected.floats();
  std::vector<float> row(elements);
  ResultError error;
  for (uint64_t r = 0; r < rows; ++r) {
    const uint8_t *at = got + r * rowBytes(result);
    if (mlir::tenon::isQuantizedRows(result.getType()))
      dequantizeRow(at, row, mlir::tenon::rowBits(result.getType()));
    else if (mlir::tenon::isRoundedRows(result.getType()))
      widenRow(at, row);
    else
      std::memcpy(row.data(), at, elements * sizeof(float));
    for (uint64_t i = 0; i < elements; ++i) {
      const double difference = std::abs(double(row[i]) - values[r * elements + i]);
      // NaN compares false with everything and must not pass.
      if (!(difference <= error.maxAbs))
        error.maxAbs = std::isnan(difference) ? INFINITY : difference;
      error.magnitude = std::max(error.magnitude, std::abs(double(values[r * elements + i])));
    }
  }
  return error;
}

llvm::Expected<ResultError> RegionRunner::run(cpu::KernelFn kernel, const SampleStep &step,
                                              uint32_t workers, uint64_t seed) {
  SampleRandom random(seed);
  HostKvCache cache(1, std::max(1u, launch.spec.kvHeads), std::max(1u, launch.spec.headDim));
  Pools pools;
  fillCache(cache, pools, step, random);

  // The operands, for both.
  llvm::DenseMap<Value, AlignedBytes> memory;
  llvm::SmallVector<HostTensor> operands;
  for (auto [input, argument] :
       llvm::zip_equal(region.getInputs(), region.getBodyBlock().getArguments())) {
    if (isActivation(input)) {
      Activation activation = makeActivation(input, step, random);
      operands.push_back(activation.values);
      memory[input] = std::move(activation.bytes);
    } else if (isWeight(input)) {
      operands.push_back(weights.find(input)->second.values);
    } else if (isa<mlir::tenon::KvType>(input.getType())) {
      operands.push_back(HostTensor::kv(cache, 0));
    } else {
      operands.push_back(makeInts(argument, step));
    }
  }
  for (Value result : region.getResults())
    if (isActivation(result) && result != launch.updated)
      memory[result] = AlignedBytes(
          rowsOf(result, step) *
          (rowBytes(result) + (launch.spec.maxima ? cpu::logitsBlocks(launch.spec.n) * 4 : 0)));

  // The kernel.
  llvm::SmallVector<void *> pointers;
  AlignedBytes workspace(launch.spec.context ? workers * cpu::attentionPartialBytes(launch.spec)
                                             : 0);
  uint8_t *const shared[] = {pools.keys.data(), pools.values.data(), workspace.data()};
  size_t next = 0; // of those that no value stands for
  for (Value pointer : launch.pointers) {
    if (!pointer)
      pointers.push_back(shared[next++]);
    else if (isWeight(pointer))
      pointers.push_back(weights.find(pointer)->second.bytes.data());
    else
      pointers.push_back(
          memory.find(pointer == launch.updated ? launch.residual : pointer)->second.data());
  }
  cpu::StepView view = step.view();
  if (launch.kept) // As the executor has it: the rows kept are the step.
    view.numTokens = view.numLogitRows;
  AlignedBytes scratch(scratchBytes);
  uint32_t claimed = 0;
  for (uint32_t worker = 0; worker < workers; ++worker)
    kernel(pointers.data(), &view, worker, workers, scratch.data(), &claimed);

  // The reference, and how far they are apart.
  mlir::tenon::ReferenceContext context;
  context.positions = step.positions;
  context.sequences = step.sequences;
  auto expected = mlir::tenon::evaluateBody(region.getBodyBlock(), operands, context);
  if (failed(expected))
    return llvm::createStringError("the reference evaluation of " + launch.name + " failed");
  ResultError worst;
  for (auto [result, value] : llvm::zip_equal(region.getResults(), *expected)) {
    const ResultError error =
        isActivation(result)
            ? compare(
                  result, value,
                  memory.find(result == launch.updated ? launch.residual : result)->second.data())
            : compareCache(cache, pools, step);
    if (error.relative() >= worst.relative())
      worst = error;
  }
  return worst;
}

} // namespace tenon::compiler
