//===- Main.cpp - Prints emitted kernels ----------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// For people who work on the emitters: one kernel as MLIR, LLVM IR or assembly.

#include "compiler/targets/cpu/Codegen.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/engine/WeightFormat.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

using namespace tenon;
namespace cl = llvm::cl;

static cl::opt<std::string>
    kind("kind", cl::desc("linear | linear_gate | linear_qkv | attention | norm_quant"),
         cl::init("linear"));
static cl::opt<std::string> format("format", cl::desc("Weight format, as in q4_1"),
                                   cl::init("q4_1"));
static cl::opt<std::string> variant("variant",
                                    cl::desc("avx2 | avxvnni | avx512 | amx | neon | neoni8mm"),
                                    cl::init("avx512"));
static cl::opt<std::string> stage("stage", cl::desc("mlir | llvm | assembly"),
                                  cl::init("assembly"));
static cl::opt<unsigned> columns("k", cl::desc("Input columns"), cl::init(576));
static cl::opt<unsigned> channels("n", cl::desc("Output channels"), cl::init(576));
static cl::opt<unsigned> heads("heads", cl::init(9)), kvHeads("kv-heads", cl::init(3)),
    headDim("head-dim", cl::init(64));

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(
      argc, argv,
      "Prints one emitted kernel.\n"
      "Example: tenon-kernels --kind=linear --format=q4_1 --stage=assembly\n");
  cpu::KernelSpec spec;
  const auto known = cpu::parseKernelKind(kind);
  auto weight = parseWeightFormat(format);
  auto target = cpu::parseVariant(variant);
  if (!known || !weight || !target) {
    llvm::errs() << "tenon-kernels: unknown --kind, --format or --variant; see --help\n";
    return 2;
  }
  spec.kind = *known;
  spec.k = columns;
  spec.n = channels;
  spec.heads = heads;
  spec.kvHeads = kvHeads;
  spec.headDim = headDim;
  spec.rotary = headDim;
  spec.eps = 1e-5f;
  const bool quant = !formatInfo(*weight).isFloat();
  const int weights = spec.kind == cpu::KernelKind::LinearQkv    ? 3
                      : spec.kind == cpu::KernelKind::LinearGate ? 2
                      : spec.kind == cpu::KernelKind::Linear     ? 1
                                                                 : 0;
  spec.formats.assign(weights, *weight);
  spec.quantIn = quant && weights;
  spec.quantOut =
      quant && spec.kind != cpu::KernelKind::Linear && spec.kind != cpu::KernelKind::LinearQkv;
  spec.activation = cpu::Activation::Silu;
  auto what = stage == "mlir"   ? cpu::KernelStage::Mlir
              : stage == "llvm" ? cpu::KernelStage::Llvm
                                : cpu::KernelStage::Assembly;
  auto text = cpu::dumpKernels({spec}, {std::string("kernel")}, *target, what);
  if (!text) {
    llvm::errs() << "tenon-kernels: " << llvm::toString(text.takeError()) << "\n";
    return 1;
  }
  llvm::outs() << *text;
  return 0;
}
