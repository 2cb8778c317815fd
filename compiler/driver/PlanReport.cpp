//===- PlanReport.cpp - A plan for people and for tools -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/PlanReport.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Format.h"

namespace tenon::compiler {

using namespace mlir::plan;
using llvm::cast, llvm::dyn_cast, mlir::Operation;

/// How often a step of the chips that run it runs each function.
static llvm::StringMap<uint64_t> callCounts(EngineOp engine) {
  llvm::StringMap<uint64_t> counts;
  for (CallOp call : engine.getOps<CallOp>())
    ++counts[call.getFunction()];
  return counts;
}

/// An extent without its brackets: "2304 T + 64 S".
static std::string formText(ExtentAttr extent) {
  std::string text;
  llvm::raw_string_ostream out(text);
  static_cast<mlir::Attribute>(extent).print(out);
  llvm::StringRef inner(text);
  inner.consume_front("#plan.extent<");
  inner.consume_back(">");
  return inner.str();
}

static std::string term(uint64_t value, llvm::StringRef name, std::string text) {
  if (value != 0)
    text += (text.empty() ? "" : " + ") + std::to_string(value) +
            (name.empty() ? "" : " " + name.str());
  return text;
}

static std::string bytesForm(CostAttr c) {
  std::string text = term(c.getWeightBytes(), "", "");
  text = term(c.getBytesPerToken(), "T", text);
  text = term(c.getBytesPerLogitRow(), "S", text);
  return term(c.getBytesPerContext(), "C", text);
}

static std::string macsForm(CostAttr c) {
  std::string text = term(c.getMacsPerToken(), "T", "");
  text = term(c.getMacsPerLogitRow(), "S", text);
  text = term(c.getMacsPerContext(), "C", text);
  return text.empty() ? "-" : text;
}

/// Bytes that the chips of the first stage's first program move in a step that writes one token at
/// position `context` - 1: what decoding is bound by.
static uint64_t decodeBytes(EngineOp engine, uint64_t context) {
  uint64_t bytes = 0;
  llvm::StringMap<uint64_t> counts = callCounts(engine);
  engine.walk([&](LaunchOp launch) {
    CostAttr c = launch.getCost();
    if (engine.getProgramOf(launch->getParentOfType<FunctionOp>()) != 0)
      return;
    bytes += counts[launch->getParentOfType<FunctionOp>().getSymName()] *
             (c.getWeightBytes() + c.getBytesPerToken() + c.getBytesPerLogitRow() +
              c.getBytesPerContext() * context);
  });
  return bytes;
}

/// Memory of one chip and the formulas behind it.
static void printChip(llvm::raw_ostream &out, EngineOp engine, ChipOp chip,
                      const MemorySummary &memory) {
  LimitsOp limits = engine.getLimits();
  KvOp kv = engine.getKv();
  auto row = [&](const char *what, uint64_t bytes, const std::string &formula) {
    out << llvm::format("  %-12s %12s  ", what, formatBytes(bytes).c_str()) << formula << "\n";
  };
  out << "chip " << chip.getId() << " (" << chip.getKind()
      << ") at these limits with W = " << memory.workers << " workers:\n";
  row("weights", memory.storedWeights, "mapped from the engine");
  if (memory.madeWeights)
    row("", memory.madeWeights, "made at load from seeds");
  row("activations", memory.activations, formText(chip.getArena()));
  const uint64_t block = kvBytesPerBlock(engine, chip);
  std::string part;
  if (chip.getKvLayers())
    part = " (" + std::to_string(*chip.getKvLayers()) + " of " + std::to_string(kv.getLayers()) +
           " layers, " + std::to_string(*chip.getKvHeads()) + " of " +
           std::to_string(kv.getKvHeads()) + " KV heads)";
  row("KV cache", memory.kv,
      std::to_string(block) + " per block of " + std::to_string(kv.getBlockTokens()) + " tokens; " +
          std::to_string(limits.getDefaultKvBytes() / kv.getBytesPerBlock()) + " blocks" + part);
  row("workspace", memory.workspace, "scratch of the workers, tables of the step");
  row("total", memory.total(), "");
}

void printPlan(llvm::raw_ostream &out, EngineOp engine, llvm::ArrayRef<MemorySummary> memory) {
  ModelOp model = engine.getModel();
  LimitsOp limits = engine.getLimits();
  out << (model.getName().empty() ? "model" : model.getName()) << ": " << model.getArchitecture()
      << ", " << model.getLayers() << " layers, hidden " << model.getHidden() << ", vocabulary "
      << model.getVocabulary() << ", "
      << llvm::format("%.1f M parameters, mostly ", model.getParameters() / 1e6)
      << model.getWeightsKind() << "\n";
  out << "limits: context " << limits.getMaxContext()
      << "; step tokens T = " << limits.getDefaultStepTokens() << " (to "
      << limits.getMaxStepTokens() << "), sequences S = " << limits.getDefaultSequences() << " (to "
      << limits.getMaxSequences() << ")\n\n";
  if (const uint64_t replicas = engine.getNumReplicas(); replicas > 1)
    out << "replicas: " << replicas << " of " << memory.size()
        << (memory.size() == 1 ? " chip" : " chips") << ", " << replicas * memory.size()
        << " together; all that follows is of each, limits too. A process maps the weights once "
           "for all.\n\n";

  for (auto [chip, summary] : llvm::zip_equal(engine.getOps<ChipOp>(), memory))
    printChip(out, engine, chip, summary);

  out << "\nA step of T token rows, S logit rows, and C, the sum over rows of the positions that "
         "they see:\n"
      << llvm::format("  %-14s %-16s %5s %-7s %-34s %s\n", "function", "launch", "times", "barrier",
                      "bytes moved", "multiply-accumulates");
  llvm::StringMap<uint64_t> counts = callCounts(engine);
  for (FunctionOp function : engine.getOps<FunctionOp>())
    for (Operation &op : function.getBody().front()) {
      if (auto collective = dyn_cast<CollectiveOp>(op)) {
        out << llvm::format("  %-14s %-16s %5llu %-7s ", function.getSymName().str().c_str(),
                            collective.getName().str().c_str(),
                            static_cast<unsigned long long>(counts[function.getSymName()]), "all")
            << stringifyCollectiveKind(collective.getKind()) << " of "
            << collective.getSourceElementBytes() * collective.getTargetColumns()
            << (collective.getLogitRows() || collective.getKept() ? " S" : " T")
            << " bytes: " << collective.getCause();
        if (collective.getOwnRows())
          out << " (" << (collective.alwaysMeets() ? "own rows" : "happens") << " from "
              << *collective.getOwnRows() << " rows on)";
        if (collective.getOverlap())
          out << " (overlap from " << *collective.getOverlap() << " rows on, in blocks of "
              << *collective.getBlocks() << ")";
        out << "\n";
        continue;
      }
      auto launch = cast<LaunchOp>(op);
      out << llvm::format("  %-14s %-16s %5llu %-7s %-34s ", function.getSymName().str().c_str(),
                          launch.getName().str().c_str(),
                          static_cast<unsigned long long>(counts[function.getSymName()]),
                          launch.getBarrierBefore() ? "yes" : "",
                          bytesForm(launch.getCost()).c_str())
          << macsForm(launch.getCost()) << "\n";
    }
  out << "  one token of one sequence at position 0 moves " << formatBytes(decodeBytes(engine, 1))
      << "\n";
}

llvm::json::Object planAsJson(EngineOp engine, llvm::ArrayRef<MemorySummary> summaries) {
  using llvm::json::Object;
  ModelOp model = engine.getModel();
  LimitsOp limits = engine.getLimits();
  llvm::json::Array launches;
  llvm::StringMap<uint64_t> counts = callCounts(engine);
  for (FunctionOp function : engine.getOps<FunctionOp>())
    for (LaunchOp launch : function.getBody().getOps<LaunchOp>()) {
      CostAttr c = launch.getCost();
      launches.push_back(Object{{"function", function.getSymName()},
                                {"name", launch.getName()},
                                {"kernel", launch.getKernel()},
                                {"times", counts[function.getSymName()]},
                                {"barrier", launch.getBarrierBefore()},
                                {"weight_bytes", c.getWeightBytes()},
                                {"bytes_per_token", c.getBytesPerToken()},
                                {"bytes_per_logit_row", c.getBytesPerLogitRow()},
                                {"bytes_per_context", c.getBytesPerContext()},
                                {"macs_per_token", c.getMacsPerToken()},
                                {"macs_per_logit_row", c.getMacsPerLogitRow()},
                                {"macs_per_context", c.getMacsPerContext()}});
    }
  llvm::json::Array chips;
  for (auto [chipOp, memory] : llvm::zip_equal(engine.getOps<ChipOp>(), summaries)) {
    ChipOp chip = chipOp;
    chips.push_back(Object{{"id", chip.getId()},
                           {"kind", chip.getKind()},
                           {"program", chip.getProgramNumber()},
                           {"weights", memory.storedWeights + memory.madeWeights},
                           {"activations", memory.activations},
                           {"kv", memory.kv},
                           {"workspace", memory.workspace},
                           {"workers", memory.workers},
                           {"total", memory.total()},
                           {"activations_formula", formText(chip.getArena())},
                           {"kv_bytes_per_block", kvBytesPerBlock(engine, chip)}});
  }
  llvm::json::Array collectives;
  engine.walk([&](CollectiveOp op) {
    auto function = op->getParentOfType<FunctionOp>();
    collectives.push_back(
        Object{{"function", function.getSymName()},
               {"name", op.getName()},
               {"kind", stringifyCollectiveKind(op.getKind())},
               {"axis", op.getAxis()},
               {"times", counts[function.getSymName()]},
               {"row_bytes", op.getSourceElementBytes() * op.getTargetColumns()},
               {"rows", op.getLogitRows() ? "logits"
                        : op.getKept()    ? "kept"
                                          : "tokens"},
               {"own_rows", op.getOwnRows() ? llvm::json::Value(*op.getOwnRows()) : nullptr},
               {"overlap", op.getOverlap() ? llvm::json::Value(*op.getOverlap()) : nullptr},
               {"blocks", op.getBlocks() ? llvm::json::Value(*op.getBlocks()) : nullptr},
               {"cause", op.getCause()}});
  });
  return Object{{"model", Object{{"name", model.getName()},
                                 {"architecture", model.getArchitecture()},
                                 {"layers", model.getLayers()},
                                 {"hidden", model.getHidden()},
                                 {"vocabulary", model.getVocabulary()},
                                 {"parameters", model.getParameters()},
                                 {"weights", model.getWeightsKind()}}},
                {"limits", Object{{"max_context", limits.getMaxContext()},
                                  {"default_step_tokens", limits.getDefaultStepTokens()},
                                  {"max_step_tokens", limits.getMaxStepTokens()},
                                  {"default_sequences", limits.getDefaultSequences()},
                                  {"max_sequences", limits.getMaxSequences()},
                                  {"default_kv_bytes", limits.getDefaultKvBytes()}}},
                {"replicas", engine.getNumReplicas()},
                {"memory", std::move(chips)},
                {"kernels", static_cast<int64_t>(llvm::range_size(engine.getOps<KernelOp>()))},
                {"decode_bytes", decodeBytes(engine, 1)},
                {"collectives", std::move(collectives)},
                {"launches", std::move(launches)}};
}

} // namespace tenon::compiler
