//===- WeightImages.h - A region's weights for both sides -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_VERIFY_WEIGHTIMAGES_H
#define TENON_COMPILER_DRIVER_VERIFY_WEIGHTIMAGES_H

#include "compiler/driver/verify/SampleStep.h"
#include "compiler/driver/verify/StoredWeights.h"
#include "dialects/tenon/reference/HostTensor.h"
#include "frontends/Checkpoint.h"

#include "mlir/IR/Value.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <vector>

namespace tenon::compiler {

/// A weight as the kernel and as the reference read it.
struct WeightImage {
  AlignedBytes bytes;
  mlir::tenon::HostTensor values;
  /// Where a chip holds a part of the tensor: the part, which `values` reads.
  std::shared_ptr<frontend::Tensor> part;
  std::vector<uint8_t> partBytes;
};

/// The weight that `value` is in the first call of its function, on the first chip that runs the
/// function's program. The kernel reads a matrix as it is stored. The reference reads the
/// checkpoint's tensor, or the chip's part of it, row by row; or, if the matrix was rounded, the
/// stored panels, which then must be near the checkpoint's. Weights that are made at load are made
/// here the same way. The checkpoint must outlive the image.
llvm::Expected<WeightImage> loadWeightImage(mlir::Value value,
                                            const frontend::Checkpoint &checkpoint,
                                            const StoredWeights &stored);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_WEIGHTIMAGES_H
