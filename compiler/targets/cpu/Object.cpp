//===- Object.cpp - LLVM IR to machine code -------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/Object.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

namespace tenon::cpu {
namespace {

struct TargetFacts {
  const char *triple, *cpu, *features;
  const char *vectorBits; ///< Widest vectors, which the back end would not use unasked.
};

/// What a kernel of a variant may use; runtime/device/cpu/CpuFeatures checks the same bits.
TargetFacts factsOf(engine::Variant variant) {
  switch (variant) {
  case engine::Variant::Avx512:
    return {"x86_64-unknown-linux-gnu", "x86-64-v4", "+avx512vnni", "512"};
  case engine::Variant::Amx:
    return {"x86_64-unknown-linux-gnu", "x86-64-v4", "+avx512vnni,+amx-tile,+amx-int8", "512"};
  case engine::Variant::AvxVnni:
    return {"x86_64-unknown-linux-gnu", "x86-64-v3", "+avxvnni", "256"};
  case engine::Variant::Neon:
    return {"aarch64-unknown-linux-gnu", "generic", "+neon,+dotprod,+fullfp16", "128"};
  case engine::Variant::NeonI8mm:
    return {"aarch64-unknown-linux-gnu", "generic", "+neon,+dotprod,+fullfp16,+i8mm", "128"};
  default:
    return {"x86_64-unknown-linux-gnu", "x86-64-v3", "", "256"};
  }
}

void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

} // namespace

llvm::Expected<llvm::SmallVector<char, 0>> compileObject(llvm::Module &module,
                                                         engine::Variant variant, bool assembly) {
  initializeTargets();
  const TargetFacts facts = factsOf(variant);
  const llvm::Triple triple(facts.triple);
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError("LLVM has no back end for %s: %s", facts.triple, error.c_str());
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, facts.cpu, facts.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Default));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  for (llvm::Function &fn : module)
    if (!fn.isDeclaration()) {
      // Without it the x86 back end splits 512-bit vectors in two.
      fn.addFnAttr("prefer-vector-width", facts.vectorBits);
      fn.addFnAttr("min-legal-vector-width", facts.vectorBits);
      // Copying and clearing loops must stay loops: a kernel has no libc to call.
      fn.addFnAttr("no-builtins");
      fn.addFnAttr("target-cpu", facts.cpu);
      fn.addFnAttr("target-features", facts.features);
    }

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // The emitters have chosen vectors and unrolling; LLVM must not second-guess them.
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopUnrolling =
      tuning.LoopInterleaving = false;
  llvm::PassBuilder builder(machine.get(), tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);

  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager emit;
  if (machine->addPassesToEmitFile(emit, stream, nullptr,
                                   assembly ? llvm::CodeGenFileType::AssemblyFile
                                            : llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("LLVM cannot emit code for %s", facts.triple);
  emit.run(module);
  return bytes;
}

} // namespace tenon::cpu
