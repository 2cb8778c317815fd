//===- InputSource.h - What is known about matrices' inputs -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_INPUTSOURCE_H
#define TENON_COMPILER_PACK_INPUTSOURCE_H

#include "compiler/pack/ColumnFeedback.h"

#include "llvm/ADT/StringRef.h"

namespace tenon::compiler {

/// Gives the matrices of a checkpoint what was measured of their inputs. One thread at a time.
class InputSource {
public:
  virtual ~InputSource() = default;
  /// Of the checkpoint's matrix `tensor`; null if nothing was measured. Valid until the next call.
  virtual llvm::Expected<const ColumnFeedback *> feedbackOf(llvm::StringRef tensor,
                                                            unsigned threads) = 0;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_INPUTSOURCE_H
