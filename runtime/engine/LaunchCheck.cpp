//===- LaunchCheck.cpp - Does every launch get what it takes? -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/LaunchCheck.h"

#include "runtime/engine/KernelOperands.h"
#include "runtime/engine/PlanError.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tenon::engine {

namespace {

/// What an operand is called in an error.
const char *textOf(OperandSort sort) {
  switch (sort) {
  case OperandSort::Buffer:
    return "a buffer";
  case OperandSort::KPool:
    return "the K pool";
  case OperandSort::VPool:
    return "the V pool";
  case OperandSort::Panels:
  case OperandSort::Plain:
    return "a weight";
  }
  return "";
}

bool fits(OperandSort sort, ArgKind kind) {
  switch (sort) {
  case OperandSort::Buffer:
    return kind == ArgKind::Buffer;
  case OperandSort::KPool:
    return kind == ArgKind::KPool;
  case OperandSort::VPool:
    return kind == ArgKind::VPool;
  case OperandSort::Panels:
  case OperandSort::Plain:
    return kind == ArgKind::Weight || kind == ArgKind::LayerWeight;
  }
  return false;
}

class LaunchChecker {
public:
  explicit LaunchChecker(const Plan &plan) : plan(plan) {}

  Status run() {
    for (size_t f = 0; f < plan.functions.size(); ++f)
      TENON_RETURN_IF_ERROR(checkFunction(f));
    return checkCalls();
  }

private:
  Status checkFunction(size_t index);
  Status checkCollective(const FunctionPlan &function, size_t launch);
  Status checkOverlap(const FunctionPlan &function, size_t launch);
  bool usedBy(const ChipPlan &chip, const FunctionPlan &function) const;
  Status checkArgument(const FunctionPlan &function, size_t launch, size_t arg, OperandSort wanted);
  Status checkCalls();
  Status checkCallWeights(size_t call);

  const Plan &plan;
  std::vector<uint32_t> layerWeights; ///< By function: LayerWeight arguments it indexes, at least.
  std::vector<bool> usesPools;        ///< By function.
};

Status LaunchChecker::checkFunction(size_t index) {
  const FunctionPlan &function = plan.functions[index];
  uint32_t weights = 0;
  bool pools = false;
  for (size_t l = 0; l < function.launches.size(); ++l) {
    const LaunchPlan &launch = function.launches[l];
    if (launch.collective) {
      TENON_RETURN_IF_ERROR(checkCollective(function, l));
      continue;
    }
    if (launch.kernel >= plan.kernels.size())
      return bad("function '{}' launch {} ('{}'): kernel {}, and there are {}", function.name, l,
                 launch.name, launch.kernel, plan.kernels.size());
    const KernelOperands &takes = operandsOf(plan.kernels[launch.kernel].kind);
    if (launch.ownRows && !takes.rowByRow)
      return bad(
          "function '{}' launch {} ('{}'): {} does not work row by row, and is to do own rows",
          function.name, l, launch.name, plan.kernels[launch.kernel].kindName);
    if (launch.kept && (launch.ownRows || takes.asksPlaces))
      return bad("function '{}' launch {} ('{}'): {} is over kept rows, and is to do own ones or "
                 "asks where they stand",
                 function.name, l, launch.name, plan.kernels[launch.kernel].kindName);
    const size_t wanted = launch.args.size() > takes.fewest ? takes.most : takes.fewest;
    if (launch.args.size() != wanted)
      return bad("function '{}' launch {} ('{}'): {} arguments, and {} takes {}", function.name, l,
                 launch.name, launch.args.size(), plan.kernels[launch.kernel].kindName, wanted);
    for (size_t a = 0; a < wanted; ++a) {
      TENON_RETURN_IF_ERROR(checkArgument(function, l, a, takes.list[a].sort));
      if (launch.args[a].kind == ArgKind::LayerWeight)
        weights = std::max(weights, launch.args[a].index + 1);
    }
    pools |= takes.takesPools;
  }
  layerWeights.push_back(weights);
  usesPools.push_back(pools);
  return Status::ok();
}

Status LaunchChecker::checkCollective(const FunctionPlan &function, size_t l) {
  const LaunchPlan &launch = function.launches[l];
  const CollectivePlan &c = *launch.collective;
  const auto wrong = [&](const std::string &what) {
    return bad("function '{}' collective {} ('{}'): {}", function.name, l, launch.name, what);
  };
  if (c.kind > CollectiveKind::GatherRows)
    return wrong("its kind is unknown");
  const bool gathersRows = c.kind == CollectiveKind::GatherRows;
  if (gathersRows ? launch.ownRows == 0
                  : launch.ownRows != 0 && c.kind != CollectiveKind::AllReduce)
    return wrong("only sums and gathered rows are of own rows, and gathered rows always");
  if (launch.ownRows && (c.logitRows || launch.kept))
    return wrong("rows with logits, and those kept, are no chip's own");
  if (launch.kept &&
      (c.logitRows || c.kind == CollectiveKind::Send || c.kind == CollectiveKind::Receive))
    return wrong("kept rows have no logits yet, and no other stage goes on with them");
  if (c.given > Element::BF16 || (c.given != Element::F32 && c.kind != CollectiveKind::AllReduce))
    return wrong("its rows are neither f32 nor bf16 parts of a sum");
  if (c.axis >= plan.grid.size())
    return wrong(fmt::format("axis {} of a grid of {}", c.axis, plan.grid.size()));
  const size_t edges = c.kind == CollectiveKind::GatherColumns ? plan.grid[c.axis] + 1 : 2;
  if (c.columns.size() != edges || c.columns.front() != 0 || c.columns.back() == 0 ||
      c.columns.back() > (1u << 28) || !std::is_sorted(c.columns.begin(), c.columns.end()))
    return wrong(fmt::format("its columns are not {} ascending edges from 0", edges));
  if (launch.args.size() != size_t(c.gives()) + size_t(c.gets()))
    return wrong(fmt::format("{} buffers", launch.args.size()));
  for (const ArgPlan &arg : launch.args)
    if (arg.kind != ArgKind::Buffer || arg.index >= plan.chips[0].buffers.size())
      return wrong("an argument is no buffer");
  if (launch.args.size() == 2 && launch.args[0].index == launch.args[1].index)
    return wrong("it gives and gets one buffer");
  return c.overlap.from || c.overlap.block || !c.overlap.strides.empty() ? checkOverlap(function, l)
                                                                         : Status::ok();
}

/// Whether the launch beside the collective can go through token rows in blocks, and what is said
/// of these lies within its buffers.
Status LaunchChecker::checkOverlap(const FunctionPlan &function, size_t l) {
  const LaunchPlan &launch = function.launches[l];
  const CollectivePlan &c = *launch.collective;
  const OverlapPlan &o = c.overlap;
  const auto wrong = [&](const std::string &what) {
    return bad("function '{}' collective {} ('{}') overlaps with a launch: {}", function.name, l,
               launch.name, what);
  };
  const bool gathers = c.kind == CollectiveKind::GatherRows;
  if (!gathers && c.kind != CollectiveKind::AllReduce)
    return wrong("only sums and gathered rows can");
  if (launch.ownRows == 0 || o.from < launch.ownRows)
    return wrong(fmt::format("from {} rows on, and chips have rows of their own from {} on", o.from,
                             launch.ownRows));
  if (o.block == 0 || o.block > kMaxStepTokens)
    return wrong(
        fmt::format("in blocks of {} rows; 1 to {} are possible", o.block, kMaxStepTokens));
  const size_t beside = gathers ? l + 1 : l - 1; // Before the first launch: beyond any.
  const LaunchPlan *other =
      beside < function.launches.size() ? &function.launches[beside] : nullptr;
  if (!other || other->collective || other->kernel >= plan.kernels.size() ||
      !operandsOf(plan.kernels[other->kernel].kind).inBlocks)
    return wrong(gathers ? "no product stands behind it" : "no product stands before it");
  const size_t buffer = gathers ? 0 : other->args.size() - 1;
  if (other->args.empty() || other->args.size() > kMostBlockArguments ||
      o.strides.size() != other->args.size() || other->args[buffer].kind != ArgKind::Buffer ||
      other->args[buffer].index != launch.args.front().index)
    return wrong(
        fmt::format("'{}' does not work on its rows, or {} strides are given for {} arguments",
                    other->name, o.strides.size(), other->args.size()));
  const size_t again = gathers ? l + 2 : l - 2;
  if (again < function.launches.size() && function.launches[again].collective &&
      function.launches[again].collective->overlap.from &&
      (function.launches[again].collective->kind == CollectiveKind::GatherRows) != gathers)
    return wrong(fmt::format("'{}' overlaps with another one already", other->name));
  for (size_t a = 0; a < other->args.size(); ++a) {
    if (other->args[a].kind != ArgKind::Buffer) {
      if (o.strides[a])
        return wrong(fmt::format("argument {} is no buffer and has a stride", a));
      continue;
    }
    for (const ChipPlan &chip :
         plan.chips) // Buffers that a chip does not use are empty; its program does not come here.
      if (other->args[a].index < chip.buffers.size() && usedBy(chip, function) &&
          (o.strides[a] == 0 || o.strides[a] > chip.buffers[other->args[a].index].size.perToken))
        return wrong(fmt::format(
            "rows of argument {} are {} bytes apart, and those of buffer '{}' of chip {} have {}",
            a, o.strides[a], chip.buffers[other->args[a].index].name, chip.id,
            chip.buffers[other->args[a].index].size.perToken));
  }
  return Status::ok();
}

/// Whether a step of the chip calls the function.
bool LaunchChecker::usedBy(const ChipPlan &chip, const FunctionPlan &function) const {
  return std::any_of(plan.calls.begin(), plan.calls.end(), [&](const CallPlan &call) {
    return call.program == chip.program && call.function < plan.functions.size() &&
           &plan.functions[call.function] == &function;
  });
}

Status LaunchChecker::checkArgument(const FunctionPlan &function, size_t l, size_t a,
                                    OperandSort wanted) {
  const LaunchPlan &launch = function.launches[l];
  const ArgPlan &arg = launch.args[a];
  if (!fits(wanted, arg.kind))
    return bad("function '{}' launch {} ('{}'): argument {} is of kind {}, and {} wants {} there",
               function.name, l, launch.name, a, uint32_t(arg.kind),
               plan.kernels[launch.kernel].kindName, textOf(wanted));
  if (arg.kind == ArgKind::Buffer && arg.index >= plan.chips[0].buffers.size())
    return bad("function '{}' launch {} ('{}'): argument {} is buffer {}, and there are {}",
               function.name, l, launch.name, a, arg.index, plan.chips[0].buffers.size());
  if (arg.kind == ArgKind::LayerWeight && arg.index >= 65536)
    return bad(
        "function '{}' launch {} ('{}'): argument {} is layer weight {}, which is impossible",
        function.name, l, launch.name, a, arg.index);
  if (arg.kind == ArgKind::Weight) {
    if (arg.index >= plan.weights.size())
      return bad("function '{}' launch {} ('{}'): argument {} is weight {}, and there are {}",
                 function.name, l, launch.name, a, arg.index, plan.weights.size());
    if (plan.weights[arg.index].packed != (wanted == OperandSort::Panels))
      return bad("function '{}' launch {} ('{}'): argument {}, weight '{}', is {}packed",
                 function.name, l, launch.name, a, plan.weights[arg.index].name,
                 wanted == OperandSort::Panels ? "not " : "");
    if (plan.kernels[launch.kernel].kind == KernelKind::Embed &&
        plan.weights[arg.index].partBegins.empty() &&
        plan.weights[arg.index].rows < plan.model.vocabulary)
      return bad("function '{}' launch {} ('{}'): the embedding '{}' has {} rows for {} tokens",
                 function.name, l, launch.name, plan.weights[arg.index].name,
                 plan.weights[arg.index].rows, plan.model.vocabulary);
  }
  return Status::ok();
}

Status LaunchChecker::checkCalls() {
  if (plan.calls.empty())
    return bad("a step calls no function");
  uint64_t launches = 0;
  for (size_t i = 0; i < plan.calls.size(); ++i) {
    const CallPlan &call = plan.calls[i];
    if (call.function >= plan.functions.size())
      return bad("call {}: function {}, and there are {}", i, call.function, plan.functions.size());
    launches += plan.functions[call.function].launches.size();
    if (launches > 10'000'000)
      return bad("call {}: more than ten million launches a step", i);
    uint32_t layers = 0;
    for (const ChipPlan &chip : plan.chips)
      if (chip.program == call.program)
        layers = chip.kvLayers;
    if (layers == 0)
      return bad("call {}: program {}, which no chip runs", i, call.program);
    if (usesPools[call.function] && call.kvLayer >= layers)
      return bad("call {}: KV layer {}, and there are {}", i, call.kvLayer, layers);
    TENON_RETURN_IF_ERROR(checkCallWeights(i));
  }
  return Status::ok();
}

Status LaunchChecker::checkCallWeights(size_t index) {
  const CallPlan &call = plan.calls[index];
  const FunctionPlan &function = plan.functions[call.function];
  if (call.weights.size() < layerWeights[call.function])
    return bad("call {}: {} weights, and function '{}' reads {}", index, call.weights.size(),
               function.name, layerWeights[call.function]);
  for (uint32_t w : call.weights)
    if (w >= plan.weights.size())
      return bad("call {}: weight {}, and there are {}", index, w, plan.weights.size());
  for (const LaunchPlan &launch : function.launches) {
    if (launch.collective)
      continue;
    for (const ArgPlan &arg : launch.args) {
      const bool direct = arg.kind == ArgKind::Weight;
      if (!direct && arg.kind != ArgKind::LayerWeight)
        continue;
      const WeightPlan &w = plan.weights[direct ? arg.index : call.weights[arg.index]];
      if (w.program != call.program)
        return bad("call {}: weight '{}' is one of program {}, the call of program {}", index,
                   w.name, w.program, call.program);
    }
    const KernelPlan &kernel = plan.kernels[launch.kernel];
    const KernelOperands &takes = operandsOf(kernel.kind);
    for (size_t a = 0; a < launch.args.size(); ++a) {
      if (launch.args[a].kind != ArgKind::LayerWeight)
        continue;
      const WeightPlan &w = plan.weights[call.weights[launch.args[a].index]];
      if (w.packed != (takes.list[a].sort == OperandSort::Panels))
        return bad("call {}: weight '{}' is {}packed, and launch '{}' of '{}' wants the contrary",
                   index, w.name, w.packed ? "" : "not ", launch.name, function.name);
      if (kernel.kind == KernelKind::Embed && w.partBegins.empty() &&
          w.rows < plan.model.vocabulary)
        return bad("call {}: the embedding '{}' has {} rows for {} tokens", index, w.name, w.rows,
                   plan.model.vocabulary);
    }
  }
  return Status::ok();
}

} // namespace

Status checkLaunches(const Plan &plan) { return LaunchChecker(plan).run(); }

} // namespace tenon::engine
