//===- PlanReader.cpp - From the plan section to structures ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/PlanReader.h"

#include "runtime/engine/plan_generated.h"

#include <algorithm>
#include <optional>

namespace tenon::engine {

namespace {

std::string text(const flatbuffers::String *s) { return s ? s->str() : std::string(); }

LinearForm form(const fb::Extent *e) {
  return e ? LinearForm{e->fixed(), e->per_token(), e->per_logit_row(), e->per_worker()}
           : LinearForm{};
}

/// Calls fn(element) for each; a missing vector or element is skipped or refused by the caller.
template <typename Vector, typename Fn> bool forEach(const Vector *vector, Fn &&fn) {
  if (!vector)
    return true;
  for (flatbuffers::uoffset_t i = 0; i < vector->size(); ++i) {
    const auto element = vector->Get(i);
    if (!element)
      return false;
    fn(*element);
  }
  return true;
}

Status missing(const char *what) { return Status::dataLoss(std::string("plan: has no ") + what); }

LaunchPlan readLaunch(const fb::Launch &l) {
  LaunchPlan launch;
  launch.kernel = l.kernel();
  if (l.args())
    for (const fb::Arg *a : *l.args())
      launch.args.push_back({static_cast<ArgKind>(a->kind()), a->index()});
  launch.barrierBefore = l.barrier_before();
  launch.ownRows = l.own_rows();
  launch.kept = l.kept();
  launch.name = text(l.name());
  if (const fb::Collective *c = l.collective()) {
    CollectivePlan &collective = launch.collective.emplace();
    collective.kind = static_cast<CollectiveKind>(c->kind());
    collective.axis = c->axis();
    if (c->columns())
      collective.columns.assign(c->columns()->begin(), c->columns()->end());
    collective.accumulate = c->accumulate();
    collective.logitRows = c->logit_rows();
    collective.fence = c->fence();
    collective.cause = text(c->cause());
    collective.given = static_cast<Element>(c->given());
    if (const fb::Overlap *overlap = c->overlap()) {
      collective.overlap.from = overlap->from();
      collective.overlap.block = overlap->block();
      if (overlap->strides())
        collective.overlap.strides.assign(overlap->strides()->begin(), overlap->strides()->end());
    }
  }
  if (const fb::Cost *c = l.cost())
    launch.cost = {c->weight_bytes(),      c->bytes_per_token(), c->bytes_per_logit_row(),
                   c->bytes_per_context(), c->macs_per_token(),  c->macs_per_logit_row(),
                   c->macs_per_context()};
  return launch;
}

void readModel(const fb::Model &m, ModelPlan &model) {
  model.name = text(m.name());
  model.architecture = text(m.architecture());
  model.weightsKind = text(m.weights_kind());
  model.vocabulary = m.vocabulary();
  model.hidden = m.hidden();
  model.layers = m.layers();
  model.parameters = m.parameters();
  model.bos = m.bos();
  if (m.eos())
    model.eos.assign(m.eos()->begin(), m.eos()->end());
}

ChipPlan readChip(const fb::Chip &c, const KvPlan &kv) {
  ChipPlan chip;
  chip.id = c.id();
  chip.kind = text(c.kind());
  forEach(c.buffers(), [&](const fb::Buffer &b) {
    chip.buffers.push_back({text(b.name()), form(b.offset()), form(b.size())});
  });
  chip.arena = form(c.arena());
  chip.weightsBytes = c.weights_bytes();
  chip.program = c.program();
  chip.kvLayers = c.kv_layers() ? c.kv_layers() : kv.layers;
  chip.kvHeads = c.kv_heads() ? c.kv_heads() : kv.kvHeads;
  chip.firstToken = c.first_token();
  chip.firstKvHead = c.first_kv_head();
  return chip;
}

StatusOr<WeightPlan> readWeight(const fb::Weight &w) {
  if (w.format() >= kNumWeightFormats)
    return Status::dataLoss("plan: weight '" + text(w.name()) + "' has format " +
                            std::to_string(w.format()) + "; known are 0 to " +
                            std::to_string(kNumWeightFormats - 1));
  WeightPlan weight;
  weight.name = text(w.name());
  weight.format = static_cast<WeightFormat>(w.format());
  weight.rows = w.rows();
  weight.columns = w.columns();
  weight.offset = w.offset();
  weight.size = w.size();
  weight.packed = w.packed();
  weight.randomSeed = w.random_seed();
  weight.program = w.program();
  weight.tensor = w.tensor() ? text(w.tensor()) : weight.name;
  if (const fb::Part *part = w.part()) {
    weight.partDim = part->dim();
    if (part->begins())
      weight.partBegins.assign(part->begins()->begin(), part->begins()->end());
  }
  return weight;
}

StatusOr<KernelPlan> readKernel(const fb::Kernel &k) {
  KernelPlan kernel{text(k.symbol()), text(k.kind()), text(k.spec()), KernelKind::Linear,
                    k.scratch_bytes()};
  const auto kind = cpu::parseKernelKind(kernel.kindName);
  if (!kind)
    return Status::unsupported("plan: kernel '" + kernel.symbol + "' is of kind '" +
                               kernel.kindName + "', which this runtime does not know");
  kernel.kind = *kind;
  return kernel;
}

CallPlan readCall(const fb::Call &c) {
  CallPlan call;
  call.function = c.function();
  if (c.weights())
    call.weights.assign(c.weights()->begin(), c.weights()->end());
  call.kvLayer = c.kv_layer();
  call.program = c.program();
  return call;
}

/// What every plan has once.
Status readHead(const fb::Plan &p, Plan &plan) {
  plan.producer = text(p.producer());
  plan.target = text(p.target());
  if (p.grid())
    plan.grid.assign(p.grid()->begin(), p.grid()->end());
  if (!p.model())
    return missing("model");
  readModel(*p.model(), plan.model);
  if (!p.limits())
    return missing("limits");
  plan.limits = {p.limits()->max_context(),     p.limits()->default_step_tokens(),
                 p.limits()->max_step_tokens(), p.limits()->default_sequences(),
                 p.limits()->max_sequences(),   p.limits()->default_kv_bytes()};
  if (!p.kv())
    return missing("kv");
  plan.kv = {p.kv()->layers(),       p.kv()->kv_heads(),      p.kv()->head_dim(),
             p.kv()->block_tokens(), p.kv()->element_bytes(), p.kv()->bytes_per_block()};
  plan.logitsBuffer = p.logits_buffer();
  plan.logitsBlock = p.logits_block();
  plan.replicas = p.replicas();
  if (const fb::Pooling *pooling = p.pooling())
    plan.pooling = {pooling->hidden_buffer(), pooling->norm_weight(), pooling->norm_eps()};
  return Status::ok();
}

Status readLists(const fb::Plan &p, Plan &plan) {
  bool whole =
      forEach(p.chips(), [&](const fb::Chip &c) { plan.chips.push_back(readChip(c, plan.kv)); });
  Status unknown; // The first of what this runtime does not know.
  const auto keep = [&](auto read, auto &list) {
    if (read)
      list.push_back(std::move(*read));
    else if (unknown.isOk())
      unknown = read.status();
  };
  whole &= forEach(p.weights(), [&](const fb::Weight &w) { keep(readWeight(w), plan.weights); });
  whole &= forEach(p.kernels(), [&](const fb::Kernel &k) { keep(readKernel(k), plan.kernels); });
  whole &= forEach(p.functions(), [&](const fb::Function &f) {
    FunctionPlan &function = plan.functions.emplace_back();
    function.name = text(f.name());
    whole &= forEach(f.launches(),
                     [&](const fb::Launch &l) { function.launches.push_back(readLaunch(l)); });
  });
  whole &= forEach(p.calls(), [&](const fb::Call &c) { plan.calls.push_back(readCall(c)); });
  whole &= forEach(p.checks(), [&](const fb::Check &c) {
    plan.checks.push_back({text(c.region()), c.max_abs_error(), c.max_rel_error(), c.samples()});
  });
  return whole ? unknown : Status::dataLoss("plan: a list has an empty element");
}

} // namespace

StatusOr<Plan> readPlan(std::span<const std::byte> section) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(section.data());
  // 64 levels and a million tables are far beyond any real plan.
  flatbuffers::Verifier verifier(bytes, section.size(), 64, 1'000'000);
  if (section.size() < 8 || section.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Status::dataLoss("plan: " + std::to_string(section.size()) +
                            " bytes cannot hold a FlatBuffer");
  if (!fb::PlanBufferHasIdentifier(bytes))
    return Status::dataLoss("plan: the FlatBuffer's identifier is not TNPL");
  if (!fb::VerifyPlanBuffer(verifier))
    return Status::dataLoss("plan: the FlatBuffer fails verification (an offset, a length or a "
                            "vtable points outside the section)");
  Plan plan;
  TENON_RETURN_IF_ERROR(readHead(*fb::GetPlan(bytes), plan));
  TENON_RETURN_IF_ERROR(readLists(*fb::GetPlan(bytes), plan));
  return plan;
}

uint64_t Plan::storedWeightBytes() const {
  uint64_t sum = 0;
  for (const ChipPlan &chip : chips)
    sum += chip.weightsBytes;
  return sum;
}

uint64_t Plan::madeWeightBytes(const ChipPlan &chip) const {
  uint64_t end = 0;
  for (const WeightPlan &w : weights)
    if (w.randomSeed && w.program == chip.program)
      end = std::max(end, w.offset + w.size);
  return end;
}

uint64_t Plan::madeWeightBytes() const {
  uint64_t sum = 0;
  for (const ChipPlan &chip : chips)
    sum += madeWeightBytes(chip);
  return sum;
}

uint64_t Plan::scratchBytes() const {
  uint64_t most = 0;
  for (const KernelPlan &k : kernels)
    most = std::max(most, k.scratchBytes);
  return (most + 63) / 64 * 64;
}

const char *collectiveKindName(CollectiveKind kind) {
  static constexpr const char *names[] = {"all_reduce", "gather_columns", "send", "receive",
                                          "gather_rows"};
  return names[static_cast<size_t>(kind)];
}

bool Plan::keepsRows() const {
  return std::any_of(functions.begin(), functions.end(), [](const FunctionPlan &function) {
    return std::any_of(function.launches.begin(), function.launches.end(),
                       [](const LaunchPlan &launch) { return launch.kept; });
  });
}

std::string Plan::kindOf(const LaunchPlan &launch) const {
  return launch.collective ? collectiveKindName(launch.collective->kind)
                           : kernels[launch.kernel].kindName;
}

bool Plan::isEos(int32_t token) const {
  return std::find(model.eos.begin(), model.eos.end(), token) != model.eos.end();
}

} // namespace tenon::engine
