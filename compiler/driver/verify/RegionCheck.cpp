//===- RegionCheck.cpp - Emitted kernels against the reference ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/RegionCheck.h"

#include "compiler/driver/verify/RegionRunner.h"
#include "dialects/plan/CpuKernels.h"
#include "dialects/tenon/Cost.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/KernelLibrary.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/xxhash.h"

namespace tenon::compiler {

using namespace mlir;
using cpu::KernelKind;
using cpu::KernelSpec;

namespace {
/// A variant's kernels, loaded.
struct LoadedVariant {
  engine::Variant variant;
  cpu::KernelLibrary library;
};

/// The steps that are compared: decoding, a prompt's beginning, and several sequences at odd
/// places.
struct Sample {
  llvm::SmallVector<SampleRun> runs;
  uint32_t workers;
};
const Sample kSamples[] = {
    {{{37, 1}}, 1},
    {{{0, 7}}, 2},
    {{{15, 3}, {0, 1}, {100, 6}, {16, 9}}, 3},
};

/// Most that a kernel may differ by, relative to the largest magnitude of its result.
double toleranceOf(const KernelSpec &spec) {
  // Keys and values are stored with 11 bits.
  if (spec.kind == KernelKind::LinearQkv || spec.kind == KernelKind::Attention)
    return 2e-3;
  // A sum that lies between two bf16 may be rounded to either.
  if (spec.bf16Out)
    return 1e-2;
  // 16-bit weights may be multiplied in their own precision.
  for (WeightFormat format : spec.formats)
    if (format == WeightFormat::BF16)
      return 1e-2;
  return 1e-3;
}

llvm::Expected<std::vector<LoadedVariant>> loadVariants(llvm::ArrayRef<KernelObject> objects) {
  std::vector<LoadedVariant> loaded;
  std::string missing;
  for (const KernelObject &object : objects) {
    const std::string lacks = cpu::missingFor(object.variant, cpu::cpuFeatures());
    if (!lacks.empty()) {
      missing += (missing.empty() ? "" : "; ") + std::string(cpu::variantName(object.variant)) +
                 " needs " + lacks;
      continue;
    }
    auto library = cpu::KernelLibrary::load(
        {reinterpret_cast<const std::byte *>(object.bytes.data()), object.bytes.size()},
        std::string(cpu::variantName(object.variant)));
    if (!library)
      return llvm::createStringError(library.status().message());
    loaded.push_back({object.variant, std::move(*library)});
  }
  if (loaded.empty())
    return llvm::createStringError(
        "--verify runs kernels on this machine, and it runs none of the target (" + missing +
        "); add cpu:avx2 or cpu:native to --target");
  return std::move(loaded);
}

/// Checks one region with every loaded variant.
llvm::Expected<RegionCheck>
checkRegion(mlir::tenon::FusedOp region, const mlir::tenon::LaunchSpec &launch,
            plan::KernelOp kernel, uint32_t vocabulary, const frontend::Checkpoint &checkpoint,
            const StoredWeights &stored, llvm::MutableArrayRef<LoadedVariant> variants) {
  RegionCheck check;
  check.region = (region->getParentOfType<func::FuncOp>().getSymName() + "." + launch.name).str();
  check.kernel = kernel.getSymName().str();
  check.tolerance = toleranceOf(launch.spec);
  RegionRunner runner(region, launch, kernel.getScratchBytes(), checkpoint);
  if (llvm::Error error = runner.loadWeights(stored))
    return std::move(error);
  for (LoadedVariant &variant : variants) {
    auto function = variant.library.find(check.kernel);
    if (!function)
      return llvm::createStringError(function.status().message());
    for (auto [number, sample] : llvm::enumerate(kSamples)) {
      const uint64_t seed = llvm::xxh3_64bits(check.region) + number;
      SampleRandom random(seed);
      auto error =
          runner.run(*function, SampleStep(sample.runs, vocabulary, random), sample.workers, seed);
      if (!error)
        return error.takeError();
      ++check.samples;
      if (check.worst.empty() || error->relative() > check.maxRelError)
        check.worst =
            std::string(cpu::variantName(variant.variant)) + ", sample " + std::to_string(number);
      check.maxRelError = std::max(check.maxRelError, error->relative());
      check.maxAbsError = std::max(check.maxAbsError, error->maxAbs);
    }
  }
  return std::move(check);
}
} // namespace

llvm::Expected<std::vector<RegionCheck>> checkRegions(ModuleOp module, plan::EngineOp plan,
                                                      const frontend::Checkpoint &checkpoint,
                                                      const StoredWeights &stored,
                                                      llvm::ArrayRef<KernelObject> objects,
                                                      Progress &progress) {
  auto variants = loadVariants(objects);
  if (!variants)
    return variants.takeError();
  llvm::DenseMap<std::pair<Attribute, Attribute>, plan::KernelOp> kernels;
  for (plan::KernelOp kernel : plan.getOps<plan::KernelOp>())
    kernels[{kernel.getKindAttr(), kernel.getSpecAttr()}] = kernel;

  std::vector<RegionCheck> checks;
  llvm::DenseSet<Operation *> done;
  std::string problem;
  module.walk([&](mlir::tenon::FusedOp region) {
    std::string why;
    Value input = mlir::tenon::rowInput(region);
    auto launch = mlir::tenon::lowerLaunch(
        region, input ? mlir::tenon::rowDomain(input) : mlir::tenon::RowDomain::Token, why);
    if (failed(launch)) {
      problem = why;
      return WalkResult::interrupt();
    }
    if (launch->collective)
      return WalkResult::advance(); // No kernel of ours.
    auto kind =
        StringAttr::get(module.getContext(), ::tenon::cpu::kernelKindName(launch->spec.kind));
    plan::KernelOp kernel =
        kernels.lookup({kind, plan::specToAttr(module.getContext(), launch->spec)});
    if (!kernel || !done.insert(kernel).second)
      return WalkResult::advance();
    auto check = checkRegion(region, *launch, kernel, plan.getModel().getVocabulary(), checkpoint,
                             stored, *variants);
    if (!check) {
      problem = llvm::toString(check.takeError());
      return WalkResult::interrupt();
    }
    checks.push_back(std::move(*check));
    progress.update("verifying", double(done.size()) / kernels.size(),
                    std::to_string(kernels.size()) + " kernels");
    return WalkResult::advance();
  });
  if (!problem.empty())
    return llvm::createStringError("--verify: " + problem);
  return std::move(checks);
}

std::string describeDiffering(llvm::ArrayRef<RegionCheck> checks) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (const RegionCheck &check : checks)
    if (!check.passed())
      out << (text.empty() ? "" : "; ") << "region " << check.region << " (kernel " << check.kernel
          << ") differs from the reference by "
          << llvm::format("%.3g of its largest value, %.3g is allowed", check.maxRelError,
                          check.tolerance)
          << " (" << check.worst << ")";
  return text;
}

llvm::json::Object checkAsJson(const RegionCheck &check) {
  return llvm::json::Object{{"region", check.region},
                            {"kernel", check.kernel},
                            {"max_abs_error", check.maxAbsError},
                            {"max_rel_error", check.maxRelError},
                            {"tolerance", check.tolerance},
                            {"samples", check.samples},
                            {"worst", check.worst}};
}

std::string certificate(llvm::ArrayRef<RegionCheck> checks, std::optional<double> meanKl) {
  llvm::json::Array list;
  for (const RegionCheck &check : checks)
    list.push_back(checkAsJson(check));
  llvm::json::Object whole{{"checks", std::move(list)}};
  if (meanKl)
    whole["mean_kl_to_one_chip"] = *meanKl;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(std::move(whole)))
                                 << "\n";
  return text;
}

} // namespace tenon::compiler
