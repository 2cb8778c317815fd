//===- ReferenceEngine.cpp - The checkpoint's own weights, running --------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/ReferenceEngine.h"

#include "compiler/driver/EngineAssembly.h"
#include "compiler/driver/Pipeline.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

#include <optional>

namespace tenon::compiler {

/// The best variant that this machine runs. All give the same bits, so it does not matter for which
/// the engine is that was asked for.
static std::optional<engine::Variant> runnableVariant() {
  for (engine::Variant variant : cpu::kVariants)
    if (cpu::missingFor(variant, cpu::cpuFeatures()).empty())
      return variant;
  return std::nullopt;
}

std::string ReferenceEngine::missing() const {
  if (checkpoint.randomSeed())
    return "the weights are random";
  if (checkpoint.tokenizer().model.empty())
    return "the checkpoint has no tokenizer";
  return runnableVariant() ? "" : "this machine runs none of Tenon's variants";
}

llvm::Expected<std::string> ReferenceEngine::path() {
  if (file.empty()) {
    llvm::SmallString<128> unique;
    llvm::sys::fs::createUniquePath(asked.output + ".reference-%%%%%%", unique,
                                    /*MakeAbsolute=*/false);
    file = unique.str();
    llvm::sys::RemoveFileOnSignal(file);
    if (llvm::Error error = compile())
      return std::move(error);
  }
  return file;
}

ReferenceEngine::~ReferenceEngine() {
  if (file.empty())
    return;
  llvm::sys::fs::remove(file);
  llvm::sys::DontRemoveFileOnSignal(file);
}

llvm::Error ReferenceEngine::compile() {
  CompileOptions options = asked;
  options.weights = "keep";
  options.embeddingWeights.clear();
  options.weightsGroup = 0;
  options.weightsMinimum.clear();
  options.activations = "int15";
  options.output = file;
  options.verify = options.explain = false;
  options.dumpAfter.clear();
  StageTimer timer;
  const engine::Variant variant = *runnableVariant();
  const Target target{"cpu:" + variantText(variant), {variant}};
  auto compiled = runPipeline(checkpoint, options, GridChoice(), target.text, timer,
                              [](llvm::StringRef, mlir::Operation *) { return true; });
  if (!compiled)
    return compiled.takeError();
  AssemblyRequest request{options, checkpoint, target, *compiled->module, *compiled->plan, {}};
  return assembleEngine(request, timer, progress).takeError();
}

} // namespace tenon::compiler
