//===- VirtualChips.h - A sharded model without its chips -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Runs the reference evaluation of every chip's program side by side: each chip is a coroutine that
// stops at a collective until the chips it meets have come as far. One runs at a time, so results
// do not depend on a machine's threads, and IR is read by one thread at a time.
//
#ifndef TENON_COMPILER_DRIVER_VERIFY_VIRTUALCHIPS_H
#define TENON_COMPILER_DRIVER_VERIFY_VIRTUALCHIPS_H

#include "dialects/tenon/reference/HostTensor.h"

#include "mlir/IR/Operation.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace tenon::compiler {

class VirtualChips {
public:
  using Tensors = llvm::SmallVector<mlir::tenon::HostTensor>;

  /// `stages` stages of `tensor` chips each.
  VirtualChips(uint32_t stages, uint32_t tensor);

  /// Runs `body(chip)` for every chip and returns when all have ended. False if they could not
  /// meet: then each exchange has failed.
  bool run(const std::function<void(uint32_t chip)> &body);

  /// What the collective `op` of `chip` gives for `operands`. Called from within body(chip). Fails,
  /// with an error at the op, if the other chips end or wait elsewhere.
  mlir::FailureOr<Tensors> exchange(uint32_t chip, mlir::Operation *op,
                                    llvm::ArrayRef<mlir::tenon::HostTensor> operands);

private:
  struct Post {
    mlir::Operation *op;
    Tensors operands;
  };
  struct Chip {
    std::vector<Post> within; ///< Collectives along the tensor axis, in order.
    std::vector<Post> sent;   ///< To the next stage.
    size_t received = 0;
    bool ended = false;
  };

  mlir::FailureOr<Tensors> combine(uint32_t chip, size_t number);
  bool waitFor(uint32_t chip, const std::function<bool()> &ready);
  void passOn(std::unique_lock<std::mutex> &lock, uint32_t chip);

  const uint32_t tensor;
  std::vector<Chip> chips;
  std::mutex mutex;
  std::condition_variable turnChanged;
  uint32_t turn = 0;
  uint32_t idleTurns = 0; ///< Turns since anything was posted or a chip ended.
  bool stuck = false;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_VIRTUALCHIPS_H
