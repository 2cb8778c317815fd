//===- Inspect.cpp - tenon inspect ----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/ProcessMemory.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/engine/PlanReader.h"
#include "runtime/executor/MemoryCheck.h"
#include "runtime/executor/MemoryPlan.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tenon::tool {

namespace {

struct InspectOptions {
  std::string engine;
  std::optional<uint32_t> stepTokens, sequences, context;
  std::optional<uint64_t> kvMemory;
  uint32_t threads = 0;
  bool plan = false, json = false;
};

std::string formText(const engine::LinearForm &f) {
  std::string text = fmt::format("{}", f.fixed);
  const auto add = [&](uint64_t factor, const char *name) {
    if (factor)
      text += fmt::format(" + {}{}", factor, name);
  };
  add(f.perToken, "T");
  add(f.perLogitRow, "S");
  add(f.perWorker, "W");
  return text;
}

/// One call's launch with the number of times the step has it.
struct CostRow {
  const engine::LaunchPlan *launch;
  std::string kind;
  const engine::FunctionPlan *function;
  uint32_t times;
};

std::vector<CostRow> costRows(const engine::Plan &plan) {
  std::vector<uint32_t> calls(plan.functions.size(), 0);
  for (const engine::CallPlan &call : plan.calls)
    ++calls[call.function];
  std::vector<CostRow> rows;
  for (size_t f = 0; f < plan.functions.size(); ++f)
    for (const engine::LaunchPlan &launch : plan.functions[f].launches)
      rows.push_back({&launch, plan.kindOf(launch), &plan.functions[f], calls[f]});
  return rows;
}

boost::json::object formJson(const engine::LinearForm &f) {
  return {{"fixed", f.fixed},
          {"per_token", f.perToken},
          {"per_logit_row", f.perLogitRow},
          {"per_worker", f.perWorker}};
}

boost::json::object costJson(const engine::CostForm &c) {
  return {{"weight_bytes", c.weightBytes},
          {"bytes_per_token", c.bytesPerToken},
          {"bytes_per_logit_row", c.bytesPerLogitRow},
          {"bytes_per_context", c.bytesPerContext},
          {"macs_per_token", c.macsPerToken},
          {"macs_per_logit_row", c.macsPerLogitRow},
          {"macs_per_context", c.macsPerContext}};
}

boost::json::object modelJson(const engine::Plan &plan) {
  const engine::ModelPlan &m = plan.model;
  const engine::LimitsPlan &l = plan.limits;
  return {{"name", m.name},
          {"architecture", m.architecture},
          {"vocabulary", m.vocabulary},
          {"hidden", m.hidden},
          {"layers", m.layers},
          {"parameters", m.parameters},
          {"weights", m.weightsKind},
          {"bos", m.bos},
          {"eos", boost::json::value_from(m.eos)},
          {"max_context", l.maxContext},
          {"default_step_tokens", l.defaultStepTokens},
          {"max_step_tokens", l.maxStepTokens},
          {"default_sequences", l.defaultSequences},
          {"max_sequences", l.maxSequences},
          {"default_kv_bytes", l.defaultKvBytes}};
}

boost::json::object memoryJson(const executor::MemoryPlan &m) {
  return {{"stored_weights", m.storedWeights},
          {"made_weights", m.madeWeights},
          {"arena", m.arena},
          {"kv", m.kv},
          {"scratch", m.scratch},
          {"step_tables", m.stepTables},
          {"total", m.total()}};
}

/// The model card; null if there is none that can be read.
boost::json::value cardJson(const engine::Engine &engine) {
  const std::string_view text = engine.text(engine::SectionKind::ModelCard);
  boost::system::error_code error;
  boost::json::value card = boost::json::parse({text.data(), text.size()}, error);
  return error ? boost::json::value() : card;
}

void printJsonReport(const engine::Engine &engine, const executor::Capacity &capacity,
                     const executor::MemoryPlan &memory) {
  const engine::Plan &plan = engine.plan();
  boost::json::array sections, chips, launches, weights, checks;
  for (const engine::Section &s : engine.sections().sections())
    sections.push_back(
        {{"name", s.name()},
         {"offset", s.entry.offset},
         {"size", s.entry.size},
         {"xxh3", fmt::format("{:016x}{:016x}", s.entry.xxh3High, s.entry.xxh3Low)}});
  for (const engine::ChipPlan &chip : plan.chips) {
    boost::json::array buffers;
    for (const engine::BufferPlan &b : chip.buffers)
      buffers.push_back({{"name", b.name},
                         {"offset", formJson(b.offset)},
                         {"size", formJson(b.size)},
                         {"offset_bytes", b.offset.at(capacity.limits())},
                         {"size_bytes", b.size.at(capacity.limits())}});
    chips.push_back({{"id", chip.id},
                     {"program", chip.program},
                     {"kv_layers", chip.kvLayers},
                     {"kv_heads", chip.kvHeads},
                     {"memory", memoryJson(executor::planMemory(plan, capacity, chip.id))},
                     {"arena", formJson(chip.arena)},
                     {"buffers", std::move(buffers)}});
  }
  for (const CostRow &r : costRows(plan))
    launches.push_back(
        {{"function", r.function->name},
         {"name", r.launch->name},
         {"kind", r.kind},
         {"kernel", r.launch->collective ? std::string() : plan.kernels[r.launch->kernel].symbol},
         {"times", r.times},
         {"barrier_before", r.launch->barrierBefore},
         {"cost", costJson(r.launch->cost)}});
  for (const engine::WeightPlan &w : plan.weights)
    weights.push_back({{"name", w.name},
                       {"format", std::string(formatInfo(w.format).name)},
                       {"rows", w.rows},
                       {"columns", w.columns},
                       {"offset", w.offset},
                       {"size", w.size},
                       {"packed", w.packed},
                       {"made", w.randomSeed != 0}});
  for (const engine::CheckPlan &c : plan.checks)
    checks.push_back({{"region", c.region},
                      {"samples", c.samples},
                      {"max_abs_error", c.maxAbsError},
                      {"max_rel_error", c.maxRelError}});
  const engine::FileHeader &h = engine.sections().header();
  printJson({{"file", engine.name()},
             {"file_bytes", engine.fileBytes()},
             {"format", fmt::format("{}.{}", h.formatMajor, h.formatMinor)},
             {"producer", plan.producer},
             {"target", plan.target},
             {"grid", boost::json::value_from(plan.grid)},
             {"replicas", plan.replicas},
             {"model", modelJson(plan)},
             {"card", cardJson(engine)},
             {"sections", std::move(sections)},
             {"memory", memoryJson(memory)},
             {"chips", std::move(chips)},
             {"kv",
              {{"layers", plan.kv.layers},
               {"heads", plan.kv.kvHeads},
               {"head_dim", plan.kv.headDim},
               {"block_tokens", plan.kv.blockTokens},
               {"bytes_per_block", plan.kv.bytesPerBlock},
               {"blocks", capacity.kvBlocks}}},
             {"weights", std::move(weights)},
             {"launches", std::move(launches)},
             {"checks", std::move(checks)}});
}

/// What weights that are not the checkpoint's cost, as the compiler measured it.
void printAccuracy(const engine::Engine &engine) {
  const boost::json::value card = cardJson(engine);
  const boost::json::value *accuracy =
      card.is_object() ? card.as_object().if_contains("accuracy") : nullptr;
  if (!accuracy || !accuracy->is_object())
    return;
  const auto number = [&](const char *key) {
    const boost::json::value *value = accuracy->as_object().if_contains(key);
    return value && value->is_number() ? value->to_number<double>() : std::nan("");
  };
  const double mean = number("mean_kl");
  if (std::isnan(mean))
    fmt::print("accuracy against the checkpoint's own weights was not measured\n");
  else
    fmt::print("accuracy against the checkpoint's own weights: mean KL {:.4f}, max KL {:.3f}, same "
               "likeliest token {:.1f} %, perplexity {:+.2f} %\n",
               mean, number("max_kl"), 100 * number("top1_agreement"),
               100 * number("perplexity_change"));
}

void printMemory(const executor::Capacity &c, const executor::MemoryPlan &m) {
  fmt::print("\nmemory of {} for steps of {} tokens, {} sequences of {} positions, {} workers\n",
             c.chips.count == 1 ? std::string("chip 0")
                                : fmt::format("{} chips together", c.chips.count),
             c.stepTokens, c.sequences, c.context, c.workers);
  const auto line = [](const char *name, uint64_t bytes) {
    fmt::print("  {:<24}{:>14}\n", name, formatBytes(bytes));
  };
  line("weights (mapped)", m.storedWeights);
  line("weights (made)", m.madeWeights);
  line("activations", m.arena);
  line(fmt::format("KV cache ({} blocks)", c.kvBlocks).c_str(), m.kv);
  line("scratch", m.scratch);
  line("step tables", m.stepTables);
  line("together", m.total());
  if (const auto available = availableBytes()) {
    line("available here", *available);
    if (const Status fits = executor::checkFits(m, available); !fits)
      fmt::print("does not fit: {}\n", fits.message());
  }
}

void printReport(const engine::Engine &engine, const executor::Capacity &capacity,
                 const executor::MemoryPlan &memory) {
  const engine::Plan &plan = engine.plan();
  const engine::ModelPlan &m = plan.model;
  fmt::print("{}: {} ({}), {} layers, hidden {}, vocabulary {}, {:.1f} M parameters, {}\n",
             engine.name(), m.name, m.architecture, m.layers, m.hidden, m.vocabulary,
             double(m.parameters) * 1e-6, m.weightsKind);
  fmt::print("format {}.{}, by {}, for {}\n", engine.sections().header().formatMajor,
             engine.sections().header().formatMinor, plan.producer, plan.target);
  if (plan.replicas > 1)
    fmt::print(
        "{} replicas of {} chip{}; sizes are of one, and a process maps the weights once for all\n",
        plan.replicas, plan.chips.size(), plan.chips.size() == 1 ? "" : "s");
  printAccuracy(engine);
  fmt::print("\nsections\n");
  for (const engine::Section &s : engine.sections().sections())
    fmt::print("  {:<20} at {:>12}  {:>12} bytes  {:016x}{:016x}\n", s.name(), s.entry.offset,
               s.entry.size, s.entry.xxh3High, s.entry.xxh3Low);
  printMemory(capacity, memory);
  for (const engine::ChipPlan &chip : plan.chips) {
    if (plan.chips.size() > 1)
      fmt::print("\nchip {}: {} bytes of weights, KV of {} layers x {} heads", chip.id,
                 chip.weightsBytes, chip.kvLayers, chip.kvHeads);
    fmt::print("\nactivation arena: {} bytes (T step tokens, S rows with logits, W workers)\n",
               formText(chip.arena));
    for (const engine::BufferPlan &b : chip.buffers)
      fmt::print("  {:<20} at {:<28} size {}\n", b.name, formText(b.offset), formText(b.size));
  }
  fmt::print(
      "\nlaunches of a step (times; weights once, then per token and per position attended)\n");
  for (const CostRow &r : costRows(plan)) {
    const engine::CostForm &c = r.launch->cost;
    fmt::print("  {:>3} x {:<28} {:<20}{} {:>11} B", r.times,
               r.function->name + "/" + r.launch->name, r.kind, r.launch->barrierBefore ? "|" : " ",
               c.weightBytes);
    if (c.bytesPerToken || c.macsPerToken)
      fmt::print(" + {} B, {} MAC per token", c.bytesPerToken, c.macsPerToken);
    if (c.bytesPerLogitRow || c.macsPerLogitRow)
      fmt::print(" + {} B, {} MAC per logit row", c.bytesPerLogitRow, c.macsPerLogitRow);
    if (c.bytesPerContext || c.macsPerContext)
      fmt::print(" + {} B, {} MAC per position", c.bytesPerContext, c.macsPerContext);
    fmt::print("\n");
  }
  for (const engine::CheckPlan &c : plan.checks)
    fmt::print("verified: {}: {} samples, max error {:.3g} absolute, {:.3g} relative\n", c.region,
               c.samples, c.maxAbsError, c.maxRelError);
}

Status run(const InspectOptions &o) {
  auto opened = Session::inspect(o.engine);
  if (!opened)
    return opened.status();
  const engine::Engine &engine = **opened;
  if (o.plan) {
    const std::string_view text = engine.text(engine::SectionKind::PlanText);
    if (text.empty())
      return Status::unsupported(o.engine + ": the engine carries no plan text");
    fmt::print("{}", fmt::string_view(text.data(), text.size()));
    return Status::ok();
  }
  executor::CapacityRequest request;
  request.stepTokens = o.stepTokens;
  request.sequences = o.sequences;
  request.context = o.context;
  request.kvBytes = o.kvMemory;
  request.workers = o.threads ? o.threads : cpu::readTopology().usefulWorkers;
  auto capacity = executor::chooseCapacity(engine.plan(), request);
  if (!capacity)
    return capacity.status();
  const executor::MemoryPlan memory = executor::planMemory(engine.plan(), *capacity);
  if (o.json)
    printJsonReport(engine, *capacity, memory);
  else
    printReport(engine, *capacity, memory);
  return Status::ok();
}

} // namespace

void addInspect(CLI::App &app, Action &action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *command =
      app.add_subcommand("inspect", "Show sections, memory map and costs of an engine");
  command->add_option("engine", options->engine, "Engine file")->required();
  command->add_option("--step-tokens", options->stepTokens, "Memory for steps of this many tokens");
  command->add_option("--max-sequences", options->sequences, "Memory for this many sequences");
  command->add_option("--max-context", options->context,
                      "Memory for sequences of this many positions");
  command->add_option("--kv-memory", options->kvMemory, "Memory of the KV cache, such as 512MiB")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--threads", options->threads, "Worker threads")
      ->check(CLI::Range(1u, 1024u));
  command->add_flag("--json", options->json, "One JSON object on standard output");
  CLI::Option *plan =
      command->add_flag("--plan", options->plan, "Print the plan as text, nothing else");
  for (const char *other :
       {"--step-tokens", "--max-sequences", "--max-context", "--kv-memory", "--threads", "--json"})
    plan->excludes(other);
  command->footer(
      "\nExamples:\n  tenon inspect m.tenon\n  tenon inspect m.tenon --plan > m.plan.mlir\n"
      "  tenon inspect m.tenon --max-sequences 64 --kv-memory 4GiB   # would it fit?");
  command->callback([options, &action] {
    action = [options] { return onFirstProcess([&] { return run(*options); }); };
  });
}

} // namespace tenon::tool
