//===- KernelEmission.cpp - A plan's kernels, beside other work -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/KernelEmission.h"

#include "compiler/targets/cpu/Codegen.h"
#include "dialects/plan/CpuKernels.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include <chrono>

namespace tenon::compiler {

KernelEmission::KernelEmission(mlir::plan::EngineOp engine,
                               llvm::ArrayRef<engine::Variant> variants)
    : variants(variants.begin(), variants.end()) {
  for (auto kernel : engine.getOps<mlir::plan::KernelOp>()) {
    std::string error;
    specs.push_back(*mlir::plan::specFromAttr(kernel.getKind(), kernel.getSpec(), error));
    symbols.push_back(kernel.getSymName().str());
  }
  thread = std::thread([this] { run(); });
}

KernelEmission::~KernelEmission() {
  if (thread.joinable())
    thread.join();
}

void KernelEmission::run() {
  const auto start = std::chrono::steady_clock::now();
  for (engine::Variant variant : variants) {
    auto bytes = cpu::emitKernels(specs, symbols, variant);
    if (!bytes) {
      problem = "kernels for " + std::string(cpu::variantName(variant)) + ": " +
                llvm::toString(bytes.takeError());
      break;
    }
    objects.push_back({variant, std::move(*bytes)});
  }
  elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

llvm::Expected<std::vector<KernelObject>> KernelEmission::take() {
  thread.join();
  if (!problem.empty())
    return llvm::createStringError(problem);
  return std::move(objects);
}

} // namespace tenon::compiler
