//===- InputFile.cpp - Inputs of matrices, kept on disk -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/calibration/InputFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace tenon::compiler {

namespace {
/// f32 to bf16, to nearest even. `value` is finite.
uint16_t toBfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename T> T load(const void *base, uint64_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char *>(base) + offset, sizeof(T));
  return value;
}

/// A QuantRow with two planes.
void readQuantRow(const void *from, const cpu::QuantRowLayout &layout, std::vector<uint16_t> &row) {
  for (uint64_t k = 0; k < layout.columns; ++k) {
    const int32_t q =
        (load<int8_t>(from, k) << cpu::kQuantLowBits) + load<int8_t>(from, layout.lowOffset() + k);
    row[k] = toBfloat(static_cast<float>(q) *
                      load<float>(from, layout.scaleOffset() + k / 32 * sizeof(float)));
  }
}

void readFloatRow(const void *from, std::vector<uint16_t> &row) {
  for (uint64_t k = 0; k < row.size(); ++k)
    row[k] = toBfloat(load<float>(from, k * sizeof(float)));
}

bool isProduct(engine::KernelKind kind) {
  return kind == engine::KernelKind::Linear || kind == engine::KernelKind::LinearGate ||
         kind == engine::KernelKind::LinearQkv;
}
} // namespace

StatusOr<std::unique_ptr<InputFile>> InputFile::create(const std::string &path,
                                                       const engine::Plan &plan, uint64_t rows) {
  llvm::SmallString<128> unique;
  int file = -1;
  if (std::error_code error =
          llvm::sys::fs::createUniqueFile(path + ".inputs-%%%%%%", file, unique))
    return Status::internal(path + ".inputs: cannot be made: " + error.message());
  llvm::sys::RemoveFileOnSignal(unique);
  std::unique_ptr<InputFile> made(new InputFile(file, unique.str().str(), rows));
  made->findInputs(plan);
  return made;
}

InputFile::~InputFile() {
  ::close(file);
  llvm::sys::fs::remove(path);
  llvm::sys::DontRemoveFileOnSignal(path);
}

void InputFile::findInputs(const engine::Plan &plan) {
  uint64_t end = 0;
  for (const engine::CallPlan &call : plan.calls)
    for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
      if (launch.collective || !isProduct(plan.kernels[launch.kernel].kind))
        continue;
      Input input{end};
      for (const engine::ArgPlan &arg : launch.args) {
        const bool ofLayer = arg.kind == engine::ArgKind::LayerWeight;
        if (!ofLayer && arg.kind != engine::ArgKind::Weight)
          continue;
        const engine::WeightPlan &weight =
            plan.weights[ofLayer ? call.weights[arg.index] : arg.index];
        if (!weight.packed)
          continue; // A norm's.
        input.columns = weight.columns;
        input.quantised = !formatInfo(weight.format).isFloat();
        byTensor.try_emplace(weight.tensor, static_cast<uint32_t>(inputs.size()));
      }
      end += rows * input.columns * sizeof(uint16_t);
      inputOf[{&call, &launch}] = static_cast<uint32_t>(inputs.size());
      inputs.push_back(input);
    }
}

void InputFile::beforeLaunch(const engine::CallPlan &call, const engine::LaunchPlan &launch,
                             void *const *arguments, const cpu::StepView &step) {
  const auto found = inputOf.find({&call, &launch});
  if (found == inputOf.end() || !failure.isOk())
    return;
  const Input &input = inputs[found->second];
  const cpu::QuantRowLayout layout(input.columns);
  row.resize(input.columns);
  // Every row has logits, so that a step's rows are the rows of each of its launches.
  for (uint64_t r = 0; r < step.numTokens && done + r < rows; ++r) {
    const auto *from = static_cast<const char *>(arguments[0]);
    input.quantised ? readQuantRow(from + r * layout.stride(), layout, row)
                    : readFloatRow(from + r * input.columns * sizeof(float), row);
    const uint64_t bytes = input.columns * sizeof(uint16_t), at = input.offset + (done + r) * bytes;
    for (uint64_t sent = 0; sent < bytes;) {
      const ssize_t count = ::pwrite(file, reinterpret_cast<const char *>(row.data()) + sent,
                                     bytes - sent, static_cast<off_t>(at + sent));
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0) {
        failure = Status::internal(path + ": cannot be written: " + std::strerror(errno) +
                                   "; --no-calibration needs no such file");
        return;
      }
      sent += static_cast<uint64_t>(count);
    }
  }
}

Status InputFile::endStep(uint64_t stepRows) {
  done = std::min(rows, done + stepRows);
  return failure;
}

llvm::Error InputFile::read(const Input &input, uint64_t first, uint64_t count,
                            std::vector<uint16_t> &out) const {
  out.resize(done * count);
  for (uint64_t r = 0; r < done; ++r) {
    const uint64_t at = input.offset + (r * input.columns + first) * sizeof(uint16_t);
    auto *to = reinterpret_cast<char *>(out.data() + r * count);
    for (uint64_t got = 0; got < count * sizeof(uint16_t);) {
      const ssize_t bytes =
          ::pread(file, to + got, count * sizeof(uint16_t) - got, static_cast<off_t>(at + got));
      if (bytes < 0 && errno == EINTR)
        continue;
      if (bytes <= 0)
        return llvm::createStringError(
            path + ": cannot be read: " + (bytes ? std::strerror(errno) : "it ends early"));
      got += static_cast<uint64_t>(bytes);
    }
  }
  return llvm::Error::success();
}

llvm::Expected<const ColumnFeedback *> InputFile::feedbackOf(llvm::StringRef tensor,
                                                             unsigned threads) {
  const auto found = byTensor.find(tensor);
  if (found == byTensor.end() || done == 0)
    return nullptr;
  if (feedback && current == found->second)
    return &*feedback;
  current = found->second;
  feedback.reset(); // Before the next is made: both together would be twice the memory.
  const Input &input = inputs[current];
  auto measured = ColumnFeedback::measure(
      done, input.columns,
      [&](uint64_t first, uint64_t count, std::vector<uint16_t> &out) {
        return read(input, first, count, out);
      },
      threads);
  if (!measured)
    return measured.takeError();
  feedback = std::move(*measured);
  return &*feedback;
}

} // namespace tenon::compiler
