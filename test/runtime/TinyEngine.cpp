//===- TinyEngine.cpp - Engines made by hand ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/TinyEngine.h"

#include "runtime/engine/Checksum.h"
#include "runtime/engine/PlanReader.h"
#include "runtime/engine/plan_generated.h"

#include <cstdio>
#include <cstring>
#include <utility>

namespace tenon::test {

using namespace tenon::engine;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

static fb::Extent extent(const LinearForm &f) {
  return {f.fixed, f.perToken, f.perLogitRow, f.perWorker};
}

template <typename Table, typename Source, typename Make>
static auto tables(FlatBufferBuilder &b, const std::vector<Source> &sources, Make &&make) {
  std::vector<Offset<Table>> offsets;
  for (const Source &s : sources)
    offsets.push_back(make(s));
  return b.CreateVector(offsets);
}

static Offset<fb::Launch> encodeLaunch(FlatBufferBuilder &b, const LaunchPlan &l) {
  std::vector<fb::Arg> args;
  for (const ArgPlan &a : l.args)
    args.emplace_back(static_cast<fb::ArgKind>(a.kind), a.index);
  const CostForm &c = l.cost;
  const fb::Cost cost(c.weightBytes, c.bytesPerToken, c.bytesPerLogitRow, c.bytesPerContext,
                      c.macsPerToken, c.macsPerLogitRow, c.macsPerContext);
  const auto list = b.CreateVectorOfStructs(args);
  const auto name = b.CreateString(l.name);
  Offset<fb::Collective> collective;
  Offset<fb::Overlap> overlap;
  if (l.collective && (l.collective->overlap.from || l.collective->overlap.block))
    overlap = fb::CreateOverlap(b, l.collective->overlap.from, l.collective->overlap.block,
                                b.CreateVector(l.collective->overlap.strides));
  if (l.collective)
    collective = fb::CreateCollective(b, static_cast<fb::CollectiveKind>(l.collective->kind),
                                      l.collective->axis, b.CreateVector(l.collective->columns),
                                      l.collective->accumulate, l.collective->logitRows,
                                      l.collective->fence, b.CreateString(l.collective->cause),
                                      static_cast<fb::Element>(l.collective->given), overlap);
  return fb::CreateLaunch(b, l.kernel, list, l.barrierBefore, name, &cost, collective, l.ownRows,
                          l.kept);
}

static Offset<fb::Chip> encodeChip(FlatBufferBuilder &b, const ChipPlan &c) {
  const auto buffers = tables<fb::Buffer>(b, c.buffers, [&](const BufferPlan &p) {
    const fb::Extent offset = extent(p.offset), size = extent(p.size);
    return fb::CreateBuffer(b, b.CreateString(p.name), &offset, &size);
  });
  const fb::Extent arena = extent(c.arena);
  const auto kind = b.CreateString(c.kind);
  return fb::CreateChip(b, c.id, kind, buffers, &arena, c.weightsBytes, c.program, c.kvLayers,
                        c.kvHeads, c.firstToken, c.firstKvHead);
}

Bytes encodePlan(const Plan &p) {
  FlatBufferBuilder b;
  const auto modelName = b.CreateString(p.model.name),
             architecture = b.CreateString(p.model.architecture),
             kind = b.CreateString(p.model.weightsKind);
  const auto eos = b.CreateVector(p.model.eos);
  const auto model = fb::CreateModel(b, modelName, architecture, p.model.vocabulary, p.model.hidden,
                                     p.model.layers, p.model.parameters, p.model.bos, eos, kind);
  const auto limits =
      fb::CreateLimits(b, p.limits.maxContext, p.limits.defaultStepTokens, p.limits.maxStepTokens,
                       p.limits.defaultSequences, p.limits.maxSequences, p.limits.defaultKvBytes);
  const auto kv = fb::CreateKvPlan(b, p.kv.layers, p.kv.kvHeads, p.kv.headDim, p.kv.blockTokens,
                                   p.kv.elementBytes, p.kv.bytesPerBlock);
  const auto chips =
      tables<fb::Chip>(b, p.chips, [&](const ChipPlan &c) { return encodeChip(b, c); });
  const auto weights = tables<fb::Weight>(b, p.weights, [&](const WeightPlan &w) {
    return fb::CreateWeight(b, b.CreateString(w.name), static_cast<uint8_t>(w.format), w.rows,
                            w.columns, w.offset, w.size, w.packed, w.randomSeed, w.program);
  });
  const auto kernels = tables<fb::Kernel>(b, p.kernels, [&](const KernelPlan &k) {
    const auto symbol = b.CreateString(k.symbol), kindName = b.CreateString(k.kindName),
               spec = b.CreateString(k.spec);
    return fb::CreateKernel(b, symbol, kindName, spec, k.scratchBytes);
  });
  const auto functions = tables<fb::Function>(b, p.functions, [&](const FunctionPlan &f) {
    const auto launches =
        tables<fb::Launch>(b, f.launches, [&](const LaunchPlan &l) { return encodeLaunch(b, l); });
    return fb::CreateFunction(b, b.CreateString(f.name), launches);
  });
  const auto calls = tables<fb::Call>(b, p.calls, [&](const CallPlan &c) {
    return fb::CreateCall(b, c.function, b.CreateVector(c.weights), c.kvLayer, c.program);
  });
  const auto checks = tables<fb::Check>(b, p.checks, [&](const CheckPlan &c) {
    return fb::CreateCheck(b, b.CreateString(c.region), c.maxAbsError, c.maxRelError, c.samples);
  });
  Offset<fb::Pooling> pooling;
  if (p.pooling)
    pooling =
        fb::CreatePooling(b, p.pooling->hiddenBuffer, p.pooling->normWeight, p.pooling->normEps);
  const auto producer = b.CreateString(p.producer), target = b.CreateString(p.target);
  const auto grid = b.CreateVector(p.grid);
  b.Finish(fb::CreatePlan(b, producer, target, grid, model, limits, chips, kv, weights, kernels,
                          functions, calls, p.logitsBuffer, checks, p.logitsBlock, pooling,
                          p.replicas),
           fb::PlanIdentifier());
  const auto *at = reinterpret_cast<const std::byte *>(b.GetBufferPointer());
  return Bytes(at, at + b.GetSize());
}

TinyEngine TinyEngine::make(const std::string &kernelObject) {
  TinyEngine e;
  Plan &p = e.plan;
  p.producer = "by hand";
  p.target = "cpu";
  p.grid = {1};
  p.model = {"tiny", "sum", "f32", kTinyVocabulary, 16, 2, 1000, -1, {31}};
  p.limits = {128, 32, 64, 4, 16, 1 << 20};
  p.kv = {2, 1, 1, 16, 2, 2 * 2 * 16 * 2};
  ChipPlan chip;
  chip.kind = "cpu";
  chip.buffers = {{"x", {0, 0, 0, 0}, {0, 64, 0, 0}},
                  {"q", {0, 64, 0, 0}, {0, 64, 0, 0}},
                  {"y", {0, 128, 0, 0}, {0, 64, 0, 0}},
                  {"logits", {0, 192, 0, 0}, {0, 0, kTinyVocabulary * 4, 0}}};
  chip.arena = {0, 192, kTinyVocabulary * 4, 0};
  const uint64_t size = packedBytes(WeightFormat::F32, kTinyVocabulary, 4);
  chip.weightsBytes = 2 * size + 64;
  p.chips = {chip};
  p.weights = {{"embedding", WeightFormat::F32, kTinyVocabulary, 4, 0, size, true, 0},
               {"w", WeightFormat::F32, kTinyVocabulary, 4, size, size, true, 0},
               {"inv_freq", WeightFormat::F32, 1, 4, 2 * size, 16, false, 0}};
  p.kernels = {{"tiny_embed", "embed", "", KernelKind::Embed, 0},
               {"tiny_qkv", "linear_qkv", "", KernelKind::LinearQkv, 0},
               {"tiny_attention", "attention", "", KernelKind::Attention, 100},
               {"tiny_logits", "linear", "", KernelKind::Linear, 0}};
  const auto buffer = [](uint32_t i) { return ArgPlan{ArgKind::Buffer, i}; };
  const auto layer = [](uint32_t i) { return ArgPlan{ArgKind::LayerWeight, i}; };
  const ArgPlan k{ArgKind::KPool, 0}, v{ArgKind::VPool, 0};
  p.functions = {
      {"begin", {{0, {buffer(0), {ArgKind::Weight, 0}}, true, 0, "embed", {64, 8, 0, 0, 0, 0, 0}}}},
      {"layer",
       {{1,
         {buffer(0), layer(0), layer(0), layer(1), buffer(1), k, v, buffer(2)},
         true,
         0,
         "qkv",
         {1024, 8, 0, 0, 64, 0, 0}},
        {2, {buffer(1), k, v, buffer(2)}, true, 0, "attention", {0, 8, 0, 4, 0, 0, 1}}}},
      {"end",
       {{3,
         {buffer(2), {ArgKind::Weight, 1}, buffer(3)},
         true,
         0,
         "logits",
         {1024, 0, 128, 0, 0, 128, 0}}}}};
  p.calls = {{0, {}, 0}, {1, {0, 1}, 0}, {1, {1, 0}, 1}, {2, {}, 0}};
  p.logitsBuffer = 3;
  p.checks = {{"layer/qkv", 1e-5f, 1e-3f, 64}};

  e.weights.resize(chip.weightsBytes);
  for (size_t i = 0; i < e.weights.size(); ++i)
    e.weights[i] = std::byte(i * 7);
#if defined(__aarch64__)
  const Variant variant = Variant::Neon;
#else
  const Variant variant = Variant::Avx2;
#endif
  e.kernels = {{variant, kernelObject.empty() ? Bytes(100, std::byte{1}) : readFile(kernelObject)}};
  return e;
}

TinyEngine TinyEngine::makePipeline(const std::string &kernelObject, uint32_t stages) {
  TinyEngine e = make(kernelObject);
  Plan &p = e.plan;
  p.grid = {stages, 1};
  p.kv.layers = p.model.layers = stages;
  p.kv.bytesPerBlock = uint64_t(stages) * 2 * 16 * 2;
  const ChipPlan chip = p.chips.front();
  const std::vector<WeightPlan> weights = p.weights;
  const std::vector<LaunchPlan> begin = p.functions[0].launches, layer = p.functions[1].launches,
                                end = p.functions[2].launches;
  p.chips.clear();
  p.weights.clear();
  p.functions.clear();
  p.calls.clear();
  const auto pass = [&](CollectiveKind kind) {
    LaunchPlan launch;
    launch.args = {{ArgKind::Buffer, 0}};
    launch.name = kind == CollectiveKind::Send ? "send" : "receive";
    launch.collective =
        CollectivePlan{kind, 0, {0, 16}, false, false, false, Element::F32, "a stage ends"};
    return launch;
  };
  for (uint32_t stage = 0; stage < stages; ++stage) {
    p.chips.push_back(chip);
    p.chips.back().id = p.chips.back().program = stage;
    p.chips.back().kvLayers = p.chips.back().kvHeads = 1;
    const auto first = static_cast<uint32_t>(p.weights.size());
    for (WeightPlan weight : weights) {
      weight.program = stage;
      p.weights.push_back(weight);
    }
    const bool last = stage + 1 == stages;
    FunctionPlan function = {"stage" + std::to_string(stage), {}};
    const auto append = [&](std::vector<LaunchPlan> launches) {
      for (LaunchPlan &launch : launches) {
        for (ArgPlan &arg : launch.args)
          if (arg.kind == ArgKind::Weight)
            arg.index += first;
        function.launches.push_back(launch);
      }
    };
    append(stage == 0 ? begin : std::vector{pass(CollectiveKind::Receive)});
    append(layer);
    append(last ? end : std::vector{pass(CollectiveKind::Send)});
    p.calls.push_back({stage, {first, first + 1}, 0, stage});
    p.functions.push_back(std::move(function));
  }
  return e;
}

TinyEngine TinyEngine::makePair(const std::string &kernelObject) {
  TinyEngine e = make(kernelObject);
  Plan &p = e.plan;
  p.grid = {1, 2};
  const uint64_t half = kTinyVocabulary / 2 * sizeof(float);
  ChipPlan &chip = p.chips.front();
  chip.buffers.push_back({"half", {0, 192, 2 * half, 0}, {0, 0, half, 0}});
  chip.arena.perLogitRow += half;
  p.chips.push_back(chip);
  p.chips.back().id = p.chips.back().program = 1;
  for (WeightPlan weight : std::vector(p.weights)) {
    weight.program = 1;
    p.weights.push_back(weight);
  }
  p.kernels.back() = {"tiny_low_logits", "linear", "", KernelKind::Linear, 0};
  p.kernels.push_back({"tiny_high_logits", "linear", "", KernelKind::Linear, 0});
  LaunchPlan gather;
  gather.args = {{ArgKind::Buffer, 4}, {ArgKind::Buffer, 3}};
  gather.name = "gather";
  gather.collective = CollectivePlan{CollectiveKind::GatherColumns,
                                     1,
                                     {0, kTinyVocabulary / 2, kTinyVocabulary},
                                     false,
                                     true,
                                     false,
                                     Element::F32,
                                     "logits are cut"};
  p.functions[2].launches.front().args.back().index = 4;
  p.functions[2].launches.push_back(gather);
  FunctionPlan begin = p.functions[0], end = p.functions[2];
  begin.launches.front().args.back().index += 3;
  end.launches.front().kernel = 4;
  end.launches.front().args[1].index += 3;
  p.functions.push_back(begin);
  p.functions.push_back(end);
  for (const CallPlan &call : {CallPlan{3, {}, 0, 1}, CallPlan{1, {3, 4}, 0, 1},
                               CallPlan{1, {4, 3}, 1, 1}, CallPlan{4, {}, 0, 1}})
    p.calls.push_back(call);
  return e;
}

void TinyEngine::addPooling() {
  const uint64_t offset = weights.size();
  plan.weights.push_back({"norm", WeightFormat::F32, 1, plan.model.hidden, offset,
                          plan.model.hidden * sizeof(float), false, 0});
  weights.resize(offset + plan.model.hidden * sizeof(float));
  for (uint32_t i = 0; i < plan.model.hidden; ++i)
    std::memcpy(weights.data() + offset + i * sizeof(float), &kPoolingNorm, sizeof(float));
  plan.chips[0].weightsBytes = weights.size();
  plan.pooling = {0, static_cast<uint32_t>(plan.weights.size() - 1), kPoolingEps};
}

Bytes TinyEngine::write() const {
  std::vector<TinySection> sections = {{SectionKind::Plan, Variant::None, encodePlan(plan)}};
  for (const auto &[variant, bytes] : kernels)
    sections.push_back({SectionKind::Kernels, variant, bytes});
  for (const ChipPlan &chip : plan.chips)
    if (!weights.empty())
      sections.push_back({SectionKind::Weights, Variant::None, weights, chip.id});
  sections.insert(sections.end(), more.begin(), more.end());

  Bytes file(kPage);
  std::vector<SectionEntry> table;
  for (const TinySection &s : sections) {
    SectionEntry entry{};
    entry.kind = uint32_t(s.kind);
    entry.variant = uint32_t(s.variant);
    entry.chip = s.chip;
    entry.offset = file.size();
    entry.size = s.bytes.size();
    const Checksum128 sum = checksum128(s.bytes.data(), s.bytes.size());
    entry.xxh3Low = sum.low;
    entry.xxh3High = sum.high;
    table.push_back(entry);
    file.insert(file.end(), s.bytes.begin(), s.bytes.end());
    file.resize((file.size() + kPage - 1) / kPage * kPage);
  }
  if (changeTable)
    changeTable(table);
  std::memcpy(file.data() + sizeof(FileHeader), table.data(), table.size() * sizeof(SectionEntry));

  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.formatMajor = kFormatMajor;
  header.formatMinor = kFormatMinor;
  header.schemaHash = schemaHash();
  header.fileSize = file.size();
  header.sectionCount = static_cast<uint32_t>(table.size());
  const Checksum128 tableSum = checksum128(table.data(), table.size() * sizeof(SectionEntry));
  header.tableXxh3Low = tableSum.low;
  header.tableXxh3High = tableSum.high;
  if (changeHeader)
    changeHeader(header);
  header.headerXxh3 = 0;
  header.headerXxh3 = checksum64(&header, sizeof(header));
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

void repairChecksums(Bytes &file) {
  if (file.size() < sizeof(FileHeader))
    return;
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.formatMajor = kFormatMajor;
  header.formatMinor = kFormatMinor;
  header.schemaHash = schemaHash();
  header.requiredFeatures = 0;
  header.fileSize = file.size();
  header.reserved = 0;
  std::memset(header.zero, 0, sizeof(header.zero));
  const uint64_t tableBytes = uint64_t(header.sectionCount) * sizeof(SectionEntry);
  if (tableBytes <= file.size() - sizeof(header)) {
    std::byte *table = file.data() + sizeof(header);
    for (uint64_t at = 0; at < tableBytes; at += sizeof(SectionEntry)) {
      SectionEntry entry;
      std::memcpy(&entry, table + at, sizeof(entry));
      if (entry.offset <= file.size() && entry.size <= file.size() - entry.offset) {
        const Checksum128 sum = checksum128(file.data() + entry.offset, entry.size);
        entry.xxh3Low = sum.low;
        entry.xxh3High = sum.high;
        std::memcpy(table + at, &entry, sizeof(entry));
      }
    }
    const Checksum128 sum = checksum128(table, tableBytes);
    header.tableXxh3Low = sum.low;
    header.tableXxh3High = sum.high;
  }
  header.headerXxh3 = 0;
  header.headerXxh3 = checksum64(&header, sizeof(header));
  std::memcpy(file.data(), &header, sizeof(header));
}

Bytes readFile(const std::string &path) {
  Bytes bytes;
  if (std::FILE *file = std::fopen(path.c_str(), "rb")) {
    std::byte chunk[1 << 14];
    while (const size_t got = std::fread(chunk, 1, sizeof(chunk), file))
      bytes.insert(bytes.end(), chunk, chunk + got);
    std::fclose(file);
  }
  return bytes;
}

void writeFile(const std::string &path, const Bytes &bytes) {
  if (std::FILE *file = std::fopen(path.c_str(), "wb")) {
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
  }
}

} // namespace tenon::test
