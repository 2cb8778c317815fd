//===- Engine.cpp - A loaded engine ---------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/Engine.h"

#include "runtime/base/Clock.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/engine/PlanCheck.h"
#include "runtime/engine/PlanReader.h"
#include "runtime/engine/RandomWeights.h"

#include <cstring>

namespace tenon::engine {

static Status prefixed(const std::string &name, const Status &status) {
  return {status.code(), name + ": " + status.message()};
}

StatusOr<std::unique_ptr<Engine>> Engine::open(const std::string &path,
                                               const EngineOptions &options) {
  auto file = FileMapping::open(path);
  if (!file)
    return file.status();
  std::unique_ptr<Engine> engine(new Engine);
  engine->fileName = path;
  engine->mapping = std::move(*file);
  if (Status status = engine->load(engine->mapping.bytes(), options); !status)
    return prefixed(path, status);
  return engine;
}

StatusOr<std::unique_ptr<Engine>> Engine::fromMemory(std::span<const std::byte> bytes,
                                                     const std::string &name,
                                                     const EngineOptions &options) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->fileName = name;
  if (Status status = engine->load(bytes, options); !status)
    return prefixed(name, status);
  return engine;
}

Status Engine::load(std::span<const std::byte> bytes, const EngineOptions &options) {
  auto table = SectionTable::parse(bytes);
  if (!table)
    return table.status();
  sectionTable = std::move(*table);
  for (const Section &section : sectionTable.sections())
    if (SectionKind(section.entry.kind) != SectionKind::Weights)
      TENON_RETURN_IF_ERROR(SectionTable::verify(section));

  const Section *planSection = sectionTable.find(SectionKind::Plan);
  if (!planSection)
    return Status::dataLoss("section table: there is no plan");
  auto plan = readPlan(planSection->bytes);
  if (!plan)
    return plan.status();
  checkedPlan = std::move(*plan);
  checkedPlan.formatMinor = sectionTable.header().formatMinor;
  std::vector<uint64_t> weightBytes;
  for (uint32_t chip = 0; chip < checkedPlan.chips.size(); ++chip)
    weightBytes.push_back(section(SectionKind::Weights, chip).size());
  TENON_RETURN_IF_ERROR(checkPlan(checkedPlan, weightBytes));
  const auto chipCount = static_cast<uint32_t>(checkedPlan.chips.size());
  if (options.processes > chipCount)
    return Status::invalidArgument("the plan is for " + std::to_string(chipCount) + " chips and " +
                                   std::to_string(options.processes) +
                                   " processes were started; start at most " +
                                   std::to_string(chipCount) + ", or compile with --chips " +
                                   std::to_string(options.processes));
  own = chipsOfProcess(chipCount, options.process, options.processes);
  for (const Section &s : sectionTable.sections())
    if (SectionKind(s.entry.kind) == SectionKind::Weights && !own.holds(s.entry.chip))
      TENON_RETURN_IF_ERROR(mapping.unmap(s.entry.offset, s.entry.size));
  if (options.verifyWeights)
    TENON_RETURN_IF_ERROR(verifyWeights());
  if (!options.runnable)
    return Status::ok();

  TENON_RETURN_IF_ERROR(loadKernels(options));
  for (SectionKind copied : {SectionKind::Plan, SectionKind::Kernels, SectionKind::PlanText})
    releasePages(copied);
  made.resize(checkedPlan.chips.size());
  for (const ChipPlan &chip : checkedPlan.chips) {
    const uint64_t madeBytes = checkedPlan.madeWeightBytes(chip);
    if (madeBytes == 0 || !own.holds(chip.id))
      continue;
    const Stopwatch watch;
    auto region = Arena::map(madeBytes, {.hugePages = true, .populate = false}, "random weights");
    if (!region)
      return region.status();
    made[chip.id] = std::move(*region);
    makeWeights(checkedPlan, chip, made[chip.id].data(), options.threads);
    makingMs += watch.milliseconds();
  }
  return options.copyWeights ? copyWeights() : Status::ok();
}

Status Engine::copyWeights() {
  copies.resize(checkedPlan.chips.size());
  for (uint32_t chip = own.first; chip < own.end(); ++chip) {
    const auto stored = section(SectionKind::Weights, chip);
    auto copy = Arena::map(stored.size(), {.hugePages = true, .populate = false}, "the weights");
    if (!copy)
      return copy.status();
    if (!stored.empty())
      std::memcpy(copy->data(), stored.data(), stored.size());
    copies[chip] = std::move(*copy);
  }
  releasePages(SectionKind::Weights);
  return Status::ok();
}

Status Engine::loadKernels(const EngineOptions &options) {
  std::vector<Variant> offered;
  for (const Section &s : sectionTable.sections())
    if (SectionKind(s.entry.kind) == SectionKind::Kernels)
      offered.push_back(Variant(s.entry.variant));
  auto variant = cpu::chooseVariant(offered, options.variant, cpu::cpuFeatures());
  if (!variant)
    return variant.status();
  chosen = *variant;
  const Section *object = sectionTable.find(SectionKind::Kernels, chosen);
  if (!object)
    return Status::dataLoss(
        "section table: the kernels of the variant belong to another chip than 0");
  auto loaded = cpu::KernelLibrary::load(object->bytes, object->name());
  if (!loaded)
    return loaded.status();
  library = std::move(*loaded);
  for (const KernelPlan &k : checkedPlan.kernels) {
    auto entry = library.find(k.symbol);
    if (!entry)
      return Status::dataLoss(entry.status().message());
    kernels.push_back(*entry);
  }
  return Status::ok();
}

std::span<const std::byte> Engine::section(SectionKind kind, uint32_t chip) const {
  const Section *s = sectionTable.find(kind, Variant::None, chip);
  return s ? s->bytes : std::span<const std::byte>();
}

std::string_view Engine::text(SectionKind kind) const {
  const auto bytes = section(kind);
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

const std::byte *Engine::weight(uint32_t index, uint32_t chip) const {
  const WeightPlan &w = checkedPlan.weights[index];
  if (w.randomSeed)
    return made[chip].data() + w.offset;
  return (copies.empty() ? section(SectionKind::Weights, chip).data() : copies[chip].data()) +
         w.offset;
}

void Engine::releasePages(SectionKind kind) const {
  for (const Section &s : sectionTable.sections())
    if (SectionKind(s.entry.kind) == kind &&
        (kind != SectionKind::Weights || own.holds(s.entry.chip)))
      mapping.releasePages(s.entry.offset, s.entry.size);
}

Status Engine::verifyWeights() const {
  for (const Section &s : sectionTable.sections())
    if (SectionKind(s.entry.kind) == SectionKind::Weights && own.holds(s.entry.chip))
      TENON_RETURN_IF_ERROR(SectionTable::verify(s));
  return Status::ok();
}

} // namespace tenon::engine
