//===- DenseReference.cpp - Reference of norms, products and gates --------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/TenonOps.h"
#include "dialects/tenon/reference/ReferenceContext.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::tenon;

using Values = FailureOr<SmallVector<HostTensor>>;

static SmallVector<HostTensor> one(HostTensor tensor) { return {std::move(tensor)}; }

Values RmsNormOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<float> x = operands[0].floats();
  const std::vector<float> weight = operands[1].toFloats();
  const double eps = getEps().convertToFloat();
  const size_t columns = weight.size();
  std::vector<float> out(x.size());
  for (size_t at = 0; at < x.size(); at += columns) {
    double sum = 0;
    for (size_t i = 0; i < columns; ++i)
      sum += static_cast<double>(x[at + i]) * x[at + i];
    const double scale = 1.0 / std::sqrt(sum / columns + eps);
    for (size_t i = 0; i < columns; ++i)
      out[at + i] = static_cast<float>(x[at + i] * scale * weight[i]);
  }
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

/// Four sums, so that the compiler may use vectors; the order is fixed.
static double dot(const float *a, const float *b, size_t n) {
  double sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t j = 0; j < 4; ++j)
      sums[j] += static_cast<double>(a[i + j]) * b[i + j];
  for (; i < n; ++i)
    sums[0] += static_cast<double>(a[i]) * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// x [rows, k] times the transpose of weight [n, k]. A row of the weight is decoded once.
template <typename Finish>
static HostTensor product(const HostTensor &input, const HostTensor &weight, Finish finish) {
  ArrayRef<float> x = input.floats();
  const size_t rows = input.dim(0), n = weight.dim(0), k = weight.dim(1);
  std::vector<float> out(rows * n), channel(k);
  for (size_t j = 0; j < n; ++j) {
    weight.readRow(j, channel);
    for (size_t row = 0; row < rows; ++row)
      out[row * n + j] = static_cast<float>(finish(dot(&x[row * k], channel.data(), k)));
  }
  return HostTensor::floats({static_cast<int64_t>(rows), static_cast<int64_t>(n)}, std::move(out));
}

Values LinearOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return one(product(operands[0], operands[1], [](double sum) { return sum; }));
}

Values LogitsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  const double cap = getSoftcap().convertToFloat();
  return one(product(operands[0], operands[1],
                     [&](double sum) { return cap == 0 ? sum : cap * std::tanh(sum / cap); }));
}

static double activate(Activation activation, double x) {
  switch (activation) {
  case Activation::Silu:
    return x / (1.0 + std::exp(-x));
  case Activation::GeluTanh: {
    constexpr double sqrtTwoOverPi = 0.79788456080286535588;
    return 0.5 * x * (1.0 + std::tanh(sqrtTwoOverPi * (x + 0.044715 * x * x * x)));
  }
  }
  llvm_unreachable("all activations are defined");
}

Values GateOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<float> gate = operands[0].floats(), up = operands[1].floats();
  std::vector<float> out(gate.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(activate(getActivation(), gate[i]) * up[i]);
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

Values AddOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<float> lhs = operands[0].floats(), rhs = operands[1].floats();
  std::vector<float> out(lhs.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = lhs[i] + rhs[i];
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

Values ScaleOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  const float factor = getFactor().convertToFloat();
  std::vector<float> out(operands[0].floats().begin(), operands[0].floats().end());
  for (float &value : out)
    value *= factor;
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

/// Rounds one group as KernelAbi.h states, in the same f32 steps, so that a kernel's q is met
/// exactly.
static void quantizeGroup(ArrayRef<float> x, MutableArrayRef<float> out, float steps) {
  float amax = 0;
  for (float value : x)
    amax = std::max(amax, std::fabs(value));
  const float scale = amax * (1.0f / steps);
  const float inverse = amax == 0.0f ? 0.0f : steps / amax;
  for (auto [in, result] : llvm::zip_equal(x, out))
    result = scale * std::nearbyint(in * inverse);
}

Values QuantizeRowsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  constexpr size_t group = 32;
  const float steps = ::tenon::cpu::QuantRowLayout(group, rowBits(getType())).steps();
  ArrayRef<float> x = operands[0].floats();
  std::vector<float> out(x.size());
  for (size_t at = 0; at < x.size(); at += group)
    quantizeGroup(x.slice(at, group), MutableArrayRef<float>(out).slice(at, group), steps);
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}

Values RoundRowsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<float> x = operands[0].floats();
  std::vector<float> out;
  out.reserve(x.size());
  for (float value : x) {
    APFloat rounded(value);
    bool loses;
    rounded.convert(APFloat::BFloat(), APFloat::rmNearestTiesToEven, &loses);
    out.push_back(rounded.convertToFloat());
  }
  return one(HostTensor::floats(operands[0].shape(), std::move(out)));
}
