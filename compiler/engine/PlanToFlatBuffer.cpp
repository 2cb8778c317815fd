//===- PlanToFlatBuffer.cpp - plan dialect to FlatBuffer ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/PlanTranslate.h"

#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/engine/plan_generated.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::plan;
namespace fb = tenon::fb;
using flatbuffers::Offset;

namespace {
/// The vector of what `write` makes of every `OpT`.
template <typename OpT, typename Fn>
auto writeAll(EngineOp engine, flatbuffers::FlatBufferBuilder &out, Fn &&write) {
  std::vector<decltype(write(OpT()))> list;
  for (OpT op : engine.getOps<OpT>())
    list.push_back(write(op));
  return out.CreateVector(list);
}

/// Writes one plan. Symbols become the index of their op among the ops of its kind.
class Writer {
public:
  explicit Writer(EngineOp op) : engine(op) {
    number<WeightOp>(weightIndex);
    number<KernelOp>(kernelIndex);
    number<FunctionOp>(functionIndex);
    for (auto [index, buffer] : llvm::enumerate(engine.getFirstChip().getBody().getOps<BufferOp>()))
      bufferIndex[buffer.getSymNameAttr()] = index;
  }

  std::vector<uint8_t> write() {
    // Children before parents, in one fixed order: equal plans give equal bytes.
    auto model = writeModel(engine.getModel());
    auto limits = writeLimits(engine.getLimits());
    auto chips = writeAll<ChipOp>(engine, out, [&](ChipOp op) { return writeChip(op); });
    auto kv = writeKv(engine.getKv());
    auto weights = writeAll<WeightOp>(engine, out, [&](WeightOp op) { return writeWeight(op); });
    auto kernels = writeAll<KernelOp>(engine, out, [&](KernelOp op) {
      return fb::CreateKernel(out, string(op.getSymName()), string(op.getKind()),
                              string(text(op.getSpec())), op.getScratchBytes());
    });
    auto functions =
        writeAll<FunctionOp>(engine, out, [&](FunctionOp op) { return writeFunction(op); });
    auto calls = writeAll<CallOp>(engine, out, [&](CallOp op) { return writeCall(op); });
    auto checks = writeAll<CheckOp>(engine, out, [&](CheckOp op) {
      return fb::CreateCheck(out, string(op.getRegion()), op.getMaxAbsError().convertToFloat(),
                             op.getMaxRelError().convertToFloat(), op.getSamples());
    });
    Offset<fb::Pooling> pooling;
    if (PoolingOp op = engine.getPooling())
      pooling = fb::CreatePooling(out, bufferIndex.lookup(op.getHiddenAttr().getAttr()),
                                  weightIndex.lookup(op.getNormAttr().getAttr()),
                                  op.getEps().convertToFloat());
    auto producer = string(engine.getProducer());
    auto target = string(engine.getTarget());
    std::vector<uint32_t> dims(engine.getGrid().begin(), engine.getGrid().end());
    auto grid = out.CreateVector(dims);
    fb::FinishPlanBuffer(
        out, fb::CreatePlan(out, producer, target, grid, model, limits, chips, kv, weights, kernels,
                            functions, calls, bufferIndex.lookup(engine.getLogitsAttr().getAttr()),
                            checks, logitsBlock(), pooling, engine.getNumReplicas()));
    return {out.GetBufferPointer(), out.GetBufferPointer() + out.GetSize()};
  }

private:
  using Indices = llvm::DenseMap<StringAttr, uint32_t>;

  /// Whether the kernel that makes the logits leaves maxima behind them.
  uint32_t logitsBlock() {
    return llvm::any_of(engine.getOps<KernelOp>(),
                        [](KernelOp kernel) { return kernel.getSpec().contains("maxima"); })
               ? ::tenon::cpu::kLogitsBlock
               : 0;
  }

  template <typename OpT> void number(Indices &indices) {
    for (auto [index, op] : llvm::enumerate(engine.getOps<OpT>()))
      indices[op.getSymNameAttr()] = index;
  }
  Offset<flatbuffers::String> string(StringRef s) { return out.CreateString(s.data(), s.size()); }

  static std::string text(Attribute attr) {
    std::string s;
    llvm::raw_string_ostream stream(s);
    attr.print(stream);
    return s;
  }

  static fb::Extent extent(ExtentAttr e) {
    return {e.getFixed(), e.getPerToken(), e.getPerLogitRow(), e.getPerWorker()};
  }

  Offset<fb::Model> writeModel(ModelOp op) {
    auto name = string(op.getName());
    auto architecture = string(op.getArchitecture());
    std::vector<int32_t> ids(op.getEos().begin(), op.getEos().end());
    auto eos = out.CreateVector(ids);
    auto kind = string(op.getWeightsKind());
    return fb::CreateModel(out, name, architecture, op.getVocabulary(), op.getHidden(),
                           op.getLayers(), op.getParameters(), op.getBos().value_or(-1), eos, kind);
  }

  Offset<fb::Limits> writeLimits(LimitsOp op) {
    return fb::CreateLimits(out, op.getMaxContext(), op.getDefaultStepTokens(),
                            op.getMaxStepTokens(), op.getDefaultSequences(), op.getMaxSequences(),
                            op.getDefaultKvBytes());
  }

  Offset<fb::Chip> writeChip(ChipOp op) {
    std::vector<Offset<fb::Buffer>> list;
    for (BufferOp buffer : op.getBody().getOps<BufferOp>()) {
      fb::Extent offset = extent(buffer.getOffset()), size = extent(buffer.getSize());
      list.push_back(fb::CreateBuffer(out, string(buffer.getSymName()), &offset, &size));
    }
    auto buffers = out.CreateVector(list);
    auto kind = string(op.getKind());
    fb::Extent arena = extent(op.getArena());
    return fb::CreateChip(out, op.getId(), kind, buffers, &arena, op.getWeightsBytes(),
                          op.getProgramNumber(), op.getKvLayers().value_or(0),
                          op.getKvHeads().value_or(0), op.getFirstToken().value_or(0),
                          op.getFirstKvHead().value_or(0));
  }

  Offset<fb::KvPlan> writeKv(KvOp op) {
    return fb::CreateKvPlan(out, op.getLayers(), op.getKvHeads(), op.getHeadDim(),
                            op.getBlockTokens(), op.getElementBytes(), op.getBytesPerBlock());
  }

  Offset<fb::Weight> writeWeight(WeightOp op) {
    auto name = string(op.getSymName());
    Offset<flatbuffers::String> tensor;
    if (op.getTensor())
      tensor = string(*op.getTensor());
    Offset<fb::Part> part;
    if (auto attr = op.getPart()) {
      std::vector<uint64_t> begins(attr->getBegins().begin(), attr->getBegins().end());
      part = fb::CreatePart(out, attr->getDim(), out.CreateVector(begins));
    }
    return fb::CreateWeight(out, name, static_cast<uint8_t>(op.getFormat()), op.getRows(),
                            op.getColumns(), op.getOffset(), op.getSize(), op.getPacked(),
                            static_cast<uint64_t>(op.getSeed().value_or(0)), op.getProgramNumber(),
                            tensor, part);
  }

  Offset<fb::Function> writeFunction(FunctionOp op) {
    std::vector<Offset<fb::Launch>> list;
    for (Operation &inner : op.getBody().front()) {
      auto launch = dyn_cast<LaunchOp>(inner);
      list.push_back(launch ? writeLaunch(launch) : writeCollective(cast<CollectiveOp>(inner)));
    }
    auto launches = out.CreateVector(list);
    return fb::CreateFunction(out, string(op.getSymName()), launches);
  }

  Offset<fb::Launch> writeLaunch(LaunchOp op) {
    std::vector<fb::Arg> list;
    for (auto arg : op.getArgs().getAsRange<ArgAttr>()) {
      uint32_t index = arg.getIndex();
      if (arg.getSymbol())
        index = (arg.getKind() == plan::ArgKind::Weight ? weightIndex : bufferIndex)
                    .lookup(arg.getSymbol().getAttr());
      list.emplace_back(static_cast<fb::ArgKind>(arg.getKind()), index);
    }
    auto args = out.CreateVectorOfStructs(list);
    auto name = string(op.getName());
    fb::Cost cost = writeCost(op.getCost());
    return fb::CreateLaunch(out, kernelIndex.lookup(op.getKernelAttr().getAttr()), args,
                            op.getBarrierBefore(), name, &cost, 0, op.getOwnRows().value_or(0),
                            op.getKept());
  }

  static fb::Cost writeCost(CostAttr c) {
    return {c.getWeightBytes(),     c.getBytesPerToken(), c.getBytesPerLogitRow(),
            c.getBytesPerContext(), c.getMacsPerToken(),  c.getMacsPerLogitRow(),
            c.getMacsPerContext()};
  }

  Offset<fb::Launch> writeCollective(CollectiveOp op) {
    std::vector<fb::Arg> list;
    for (FlatSymbolRefAttr buffer : {op.getSourceAttr(), op.getTargetAttr()})
      if (buffer)
        list.emplace_back(fb::ArgKind::Buffer, bufferIndex.lookup(buffer.getAttr()));
    auto args = out.CreateVectorOfStructs(list);
    auto name = string(op.getName());
    std::vector<uint64_t> edges(op.getColumns().begin(), op.getColumns().end());
    auto columns = out.CreateVector(edges);
    auto cause = string(op.getCause());
    Offset<fb::Overlap> overlap;
    if (op.getOverlap()) {
      std::vector<uint64_t> strides;
      for (uint64_t stride : op.getProductStrides())
        strides.push_back(stride);
      overlap =
          fb::CreateOverlap(out, *op.getOverlap(), *op.getBlocks(), out.CreateVector(strides));
    }
    auto collective =
        fb::CreateCollective(out, static_cast<fb::CollectiveKind>(op.getKind()), op.getAxis(),
                             columns, op.getAccumulate(), op.getLogitRows(), op.getFence(), cause,
                             op.getBf16() ? fb::Element::BF16 : fb::Element::F32, overlap);
    fb::Cost cost = writeCost(op.getCost());
    return fb::CreateLaunch(out, 0, args, false, name, &cost, collective,
                            op.getOwnRows().value_or(0), op.getKept());
  }

  Offset<fb::Call> writeCall(CallOp op) {
    std::vector<uint32_t> list;
    for (auto name : op.getWeights().getAsRange<FlatSymbolRefAttr>())
      list.push_back(weightIndex.lookup(name.getAttr()));
    auto weights = out.CreateVector(list);
    return fb::CreateCall(out, functionIndex.lookup(op.getFunctionAttr().getAttr()), weights,
                          op.getKvLayer(), op.getProgramNumber());
  }

  EngineOp engine;
  flatbuffers::FlatBufferBuilder out{1 << 16};
  Indices weightIndex, kernelIndex, functionIndex, bufferIndex;
};
} // namespace

std::vector<uint8_t> tenon::compiler::planToFlatBuffer(EngineOp engine) {
  return Writer(engine).write();
}

std::string tenon::compiler::planToText(EngineOp engine) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  engine->print(stream, OpPrintingFlags().enableDebugInfo(false).useLocalScope());
  stream << '\n';
  return text;
}
