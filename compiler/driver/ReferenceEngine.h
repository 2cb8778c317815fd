//===- ReferenceEngine.h - The checkpoint's own weights, running -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_REFERENCEENGINE_H
#define TENON_COMPILER_DRIVER_REFERENCEENGINE_H

#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/Progress.h"
#include "frontends/Checkpoint.h"

#include "llvm/Support/Error.h"

#include <string>

namespace tenon::compiler {

/// An engine of a checkpoint with its own weights and 15-bit activations, for one chip of this
/// machine, in a temporary file beside the engine that is asked for. Made when it is first wanted;
/// the file goes with the object.
class ReferenceEngine {
public:
  /// All three outlive the object.
  ReferenceEngine(const CompileOptions &asked, const frontend::Checkpoint &checkpoint,
                  Progress &progress)
      : asked(asked), checkpoint(checkpoint), progress(progress) {}
  ReferenceEngine(const ReferenceEngine &) = delete;
  ~ReferenceEngine();

  /// Why there can be none; empty if there can.
  std::string missing() const;
  /// The engine's path.
  llvm::Expected<std::string> path();

private:
  llvm::Error compile();

  const CompileOptions &asked;
  const frontend::Checkpoint &checkpoint;
  Progress &progress;
  std::string file; ///< Empty until it is made.
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_REFERENCEENGINE_H
