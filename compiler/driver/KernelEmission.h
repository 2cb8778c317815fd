//===- KernelEmission.h - A plan's kernels, beside other work ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_KERNELEMISSION_H
#define TENON_COMPILER_DRIVER_KERNELEMISSION_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "dialects/plan/PlanDialect.h"
#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <thread>
#include <vector>

namespace tenon::compiler {

/// The object of one variant.
struct KernelObject {
  engine::Variant variant;
  std::vector<uint8_t> bytes;
};

/// Emits the kernels of a plan, variant after variant, on a thread of its own while weights are
/// packed. (One thread: the linker that is called in process keeps global state.)
class KernelEmission {
public:
  KernelEmission(mlir::plan::EngineOp engine, llvm::ArrayRef<engine::Variant> variants);
  ~KernelEmission();

  /// Waits; the objects in the order of the variants. Call once.
  llvm::Expected<std::vector<KernelObject>> take();
  /// Valid after take().
  double seconds() const { return elapsed; }

private:
  void run();

  std::vector<cpu::KernelSpec> specs;
  std::vector<std::string> symbols;
  std::vector<engine::Variant> variants;
  std::vector<KernelObject> objects;
  std::string problem;
  double elapsed = 0;
  std::thread thread;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_KERNELEMISSION_H
