//===- VirtualChips.cpp - A sharded model without its chips ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/VirtualChips.h"

#include "dialects/tenon/TenonOps.h"

#include <algorithm>
#include <thread>

namespace tenon::compiler {

using namespace mlir;
using mlir::tenon::HostTensor;

VirtualChips::VirtualChips(uint32_t stages, uint32_t tensor)
    : tensor(tensor), chips(stages * tensor) {}

/// Gives the turn to the next chip that has not ended, and waits for the own one to come back.
void VirtualChips::passOn(std::unique_lock<std::mutex> &lock, uint32_t chip) {
  for (uint32_t step = 1; step <= chips.size(); ++step) {
    const uint32_t next = (chip + step) % chips.size();
    if (next == chip || !chips[next].ended) {
      turn = next;
      break;
    }
  }
  turnChanged.notify_all();
}

bool VirtualChips::run(const std::function<void(uint32_t)> &body) {
  std::vector<std::thread> threads;
  for (uint32_t chip = 0; chip < chips.size(); ++chip)
    threads.emplace_back([&, chip] {
      {
        std::unique_lock<std::mutex> lock(mutex);
        turnChanged.wait(lock, [&] { return turn == chip; });
      }
      body(chip);
      std::unique_lock<std::mutex> lock(mutex);
      chips[chip].ended = true;
      idleTurns = 0;
      passOn(lock, chip);
    });
  for (std::thread &thread : threads)
    thread.join();
  return !stuck;
}

bool VirtualChips::waitFor(uint32_t chip, const std::function<bool()> &ready) {
  std::unique_lock<std::mutex> lock(mutex);
  while (!ready()) {
    // A round in which every chip only waited goes on for ever.
    if (stuck || ++idleTurns > 2 * chips.size()) {
      stuck = true;
      return false;
    }
    passOn(lock, chip);
    turnChanged.wait(lock, [&] { return turn == chip; });
  }
  return true;
}

FailureOr<VirtualChips::Tensors> VirtualChips::exchange(uint32_t chip, Operation *op,
                                                        ArrayRef<HostTensor> operands) {
  Chip &mine = chips[chip];
  const auto failed = [&]() -> FailureOr<Tensors> {
    return op->emitOpError("waits for chips that do not come");
  };
  if (isa<mlir::tenon::SendOp>(op)) {
    mine.sent.push_back({op, Tensors(operands)});
    idleTurns = 0;
    return Tensors();
  }
  if (isa<mlir::tenon::ReceiveOp>(op)) {
    if (chip < tensor)
      return op->emitOpError("is in the first stage, and none is before it");
    Chip &before = chips[chip - tensor];
    const size_t number = mine.received++;
    if (!waitFor(chip, [&] { return before.sent.size() > number; }))
      return failed();
    return Tensors{before.sent[number].operands.front()};
  }
  const size_t number = mine.within.size();
  mine.within.push_back({op, Tensors(operands)});
  idleTurns = 0;
  const uint32_t first = chip / tensor * tensor;
  const auto ready = [&] {
    for (uint32_t other = first; other < first + tensor; ++other)
      if (chips[other].within.size() <= number)
        return false;
    return true;
  };
  if (!waitFor(chip, ready))
    return failed();
  return combine(chip, number);
}

FailureOr<VirtualChips::Tensors> VirtualChips::combine(uint32_t chip, size_t number) {
  const uint32_t first = chip / tensor * tensor;
  Operation *op = chips[chip].within[number].op;
  for (uint32_t other = first; other < first + tensor; ++other)
    if (chips[other].within[number].op->getName() != op->getName())
      return op->emitOpError("meets ")
             << chips[other].within[number].op->getName() << " on chip " << other;
  const auto partOf = [&](uint32_t other) -> const HostTensor & {
    return chips[other].within[number].operands.front();
  };
  if (isa<mlir::tenon::AllReduceOp>(op)) {
    ArrayRef<float> start = partOf(first).floats();
    std::vector<double> sum(start.begin(), start.end());
    for (uint32_t other = first + 1; other < first + tensor; ++other) {
      ArrayRef<float> part = partOf(other).floats();
      if (part.size() != sum.size())
        return op->emitOpError("adds ")
               << part.size() << " values of chip " << other << " to " << sum.size();
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] += part[i];
    }
    return Tensors{
        HostTensor::floats(partOf(first).shape(), std::vector<float>(sum.begin(), sum.end()))};
  }
  auto gather = cast<mlir::tenon::GatherColumnsOp>(op);
  ArrayRef<int64_t> begins = gather.getBegins();
  const int64_t rows = partOf(chip).dim(0), columns = begins.back();
  std::vector<float> all(rows * columns);
  for (uint32_t other = first; other < first + tensor; ++other) {
    const int64_t begin = begins[other - first], width = begins[other - first + 1] - begin;
    ArrayRef<float> part = partOf(other).floats();
    if (static_cast<int64_t>(part.size()) != rows * width)
      return op->emitOpError("gathers ")
             << part.size() << " values of chip " << other << " into " << rows << " x " << width;
    for (int64_t row = 0; row < rows; ++row)
      std::copy_n(part.begin() + row * width, width, all.begin() + row * columns + begin);
  }
  return Tensors{HostTensor::floats({rows, columns}, std::move(all))};
}

} // namespace tenon::compiler
