//===- Codegen.cpp - Kernel specs to a shared object ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/Codegen.h"
#include "compiler/targets/cpu/Link.h"
#include "compiler/targets/cpu/Object.h"
#include "compiler/targets/cpu/emit/Kernels.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

void emitBody(KernelBuilder &k, const KernelSpec &spec) {
  switch (spec.kind) {
  case KernelKind::RopeTable:
    return emitRopeTable(k, spec);
  case KernelKind::Embed:
    return emitEmbed(k, spec);
  case KernelKind::NormQuant:
    return emitNormQuant(k, spec);
  case KernelKind::NormAdd:
  case KernelKind::NormAddNormQuant:
    return emitNormAdd(k, spec);
  case KernelKind::Quantize:
    return emitQuantize(k, spec);
  case KernelKind::Linear:
    return emitLinear(k, spec);
  case KernelKind::LinearGate:
    return emitLinearGate(k, spec);
  case KernelKind::LinearQkv:
    return emitLinearQkv(k, spec);
  case KernelKind::Attention:
    return emitAttention(k, spec);
  }
}

/// A context that holds what kernels are written in, single-threaded: a compile uses little of it.
struct KernelContext {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  KernelContext() {
    DialectRegistry registry;
    registry.insert<arith::ArithDialect, cf::ControlFlowDialect, LLVM::LLVMDialect, scf::SCFDialect,
                    vector::VectorDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
};

llvm::Expected<OwningOpRef<ModuleOp>> buildMlir(MLIRContext &context,
                                                llvm::ArrayRef<KernelSpec> specs,
                                                llvm::ArrayRef<std::string> symbols,
                                                engine::Variant variant) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  KernelBuilder builder(*module, variant);
  for (auto [spec, symbol] : llvm::zip_equal(specs, symbols)) {
    if (llvm::Error error = checkSpec(spec))
      return std::move(error);
    builder.kernel(symbol, [&, &spec = spec] { emitBody(builder, spec); });
  }
  if (failed(verify(*module)))
    return llvm::createStringError("emitted kernels do not verify; this is a bug in an emitter");
  return module;
}

llvm::Expected<std::unique_ptr<llvm::Module>> toLlvm(ModuleOp module, llvm::LLVMContext &context) {
  PassManager passes(module.getContext());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  if (failed(passes.run(module)))
    return llvm::createStringError(
        "kernels could not be lowered to LLVM; this is a bug in an emitter");
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "tenon-kernels");
  if (!result)
    return llvm::createStringError("kernels could not be translated to LLVM IR");
  return result;
}

} // namespace

llvm::Expected<std::vector<uint8_t>> emitKernels(llvm::ArrayRef<KernelSpec> specs,
                                                 llvm::ArrayRef<std::string> symbols,
                                                 engine::Variant variant) {
  KernelContext kernels;
  auto module = buildMlir(kernels.context, specs, symbols, variant);
  if (!module)
    return module.takeError();
  llvm::LLVMContext llvmContext;
  auto ir = toLlvm(**module, llvmContext);
  if (!ir)
    return ir.takeError();
  auto object = compileObject(**ir, variant, /*assembly=*/false);
  if (!object)
    return object.takeError();
  return linkShared(llvm::StringRef(object->data(), object->size()), variant);
}

llvm::Expected<std::string> dumpKernels(llvm::ArrayRef<KernelSpec> specs,
                                        llvm::ArrayRef<std::string> symbols,
                                        engine::Variant variant, KernelStage stage) {
  KernelContext kernels;
  auto module = buildMlir(kernels.context, specs, symbols, variant);
  if (!module)
    return module.takeError();
  std::string text;
  llvm::raw_string_ostream os(text);
  if (stage == KernelStage::Mlir) {
    (**module).print(os);
    return text;
  }
  llvm::LLVMContext llvmContext;
  auto ir = toLlvm(**module, llvmContext);
  if (!ir)
    return ir.takeError();
  auto assembly = compileObject(**ir, variant, /*assembly=*/true);
  if (!assembly)
    return assembly.takeError();
  if (stage == KernelStage::Llvm) {
    (*ir)->print(os, nullptr);
    return text;
  }
  return std::string(assembly->data(), assembly->size());
}

} // namespace tenon::cpu
