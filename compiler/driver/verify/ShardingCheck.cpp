//===- ShardingCheck.cpp - The programs of chips against the model --------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/ShardingCheck.h"

#include "compiler/driver/verify/SampleStep.h"
#include "compiler/driver/verify/VirtualChips.h"
#include "compiler/pack/Packer.h"
#include "dialects/tenon/ImportedName.h"
#include "dialects/tenon/reference/ReferenceInterpreter.h"
#include "frontends/Importer.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>

namespace tenon::compiler {

using namespace mlir;
using mlir::tenon::HostKvCache;
using mlir::tenon::HostTensor;
using mlir::tenon::ReferenceInterpreter;
using mlir::tenon::ReferenceStep;
using mlir::tenon::RowReader;

namespace {
/// Sums in another order differ by rounding; then a quantised element may be rounded the other way.
constexpr double kTolerance = 2e-3;
/// What rounding to bf16 changes of a value at most.
constexpr double kRounding = 0x1p-9;

/// Reads the rows of a tensor, or of the part of it that chip `rank` has.
FailureOr<RowReader> readerOf(const frontend::Checkpoint &checkpoint, mlir::tenon::WeightOp weight,
                              int64_t rank) {
  const frontend::Tensor *tensor = checkpoint.find(weight.getSymName());
  if (!tensor)
    return weight.emitOpError("is no tensor of the checkpoint");
  std::vector<uint32_t> order;
  uint32_t heads = 0;
  if (frontend::needsRotaryRowOrder(checkpoint, weight.getSymName(), heads))
    order = rotaryRowOrder(heads, checkpoint.config().headDim, checkpoint.config().rotary);
  int64_t firstRow = 0, firstColumn = 0;
  if (auto cut = weight.getCut())
    (cut->getDim() == 0 ? firstRow : firstColumn) = cut->getBegins()[rank];
  return RowReader([=](int64_t row, MutableArrayRef<float> out) {
    const int64_t stored = order.empty() ? firstRow + row : order[firstRow + row];
    if (out.size() == tensor->columns)
      return frontend::dequantizeRow(*tensor, stored, out);
    std::vector<float> whole(tensor->columns);
    frontend::dequantizeRow(*tensor, stored, whole);
    std::copy_n(whole.begin() + firstColumn, out.size(), out.begin());
  });
}

/// A prompt of two sequences, then a token of each: the second step reads what the first has
/// cached.
std::vector<ReferenceStep> sampleSteps(uint32_t vocabulary) {
  std::vector<ReferenceStep> steps(2);
  SampleRandom random(1);
  const int32_t lengths[] = {5, 3};
  for (int32_t sequence = 0; sequence < 2; ++sequence)
    for (int32_t position = 0; position <= lengths[sequence]; ++position) {
      ReferenceStep &step = steps[position == lengths[sequence]];
      if (position + 1 >= lengths[sequence])
        step.logitRows.push_back(step.ids.size());
      step.ids.push_back(random.next() % vocabulary);
      step.positions.push_back(position);
      step.sequences.push_back(sequence);
    }
  return steps;
}

/// Results by step, layer and name: "1.7.ffn_down"; a layer's own is "1.7.layer".
using Results = llvm::StringMap<HostTensor>;

/// Names what an interpreter computes and hands it on.
class Naming {
public:
  Naming(unsigned step, int64_t firstLayer) : step(step), layer(firstLayer) {}

  int64_t layers() const { return layer; } ///< Before what is seen now.

  void see(Operation *op, ArrayRef<HostTensor> results,
           llvm::function_ref<void(const std::string &, const HostTensor &)> use) {
    if (results.empty() || !results.front().isFloats())
      return;
    const bool isCall = isa<func::CallOp>(op);
    use(std::to_string(step) + "." + std::to_string(layer) + "." +
            (isCall ? "layer" : mlir::tenon::importedName(op)),
        results.front());
    layer += isCall;
  }

private:
  unsigned step;
  int64_t layer;
};

/// Sums of rounded parts in any of the program's functions: at most so many in a layer.
int64_t roundedSumsOfALayer(ModuleOp program) {
  int64_t most = 0;
  for (auto function : program.getOps<func::FuncOp>()) {
    int64_t sums = 0;
    function.walk([&](mlir::tenon::AllReduceOp sum) {
      sums += mlir::tenon::isRoundedRows(sum.getInput().getType());
    });
    most = std::max(most, sums);
  }
  return most;
}

bool isCollective(Operation *op) {
  auto region = dyn_cast<mlir::tenon::FusedOp>(op);
  return region && (region.getKind() == "all_reduce" || region.getKind() == "gather_columns");
}

/// "0.7.ffn_down" is of region "ffn_down".
std::string regionOf(llvm::StringRef key) { return key.split('.').second.split('.').second.str(); }

double meanKl(ArrayRef<float> one, ArrayRef<float> other, size_t vocabulary) {
  const auto logProbabilities = [&](ArrayRef<float> scores) {
    const double most = *llvm::max_element(scores);
    double total = 0;
    for (float score : scores)
      total += std::exp(score - most);
    return llvm::map_to_vector(scores, [=](float score) { return score - most - std::log(total); });
  };
  double sum = 0;
  const size_t rows = one.size() / vocabulary;
  for (size_t row = 0; row < rows; ++row) {
    const auto p = logProbabilities(one.slice(row * vocabulary, vocabulary)),
               q = logProbabilities(other.slice(row * vocabulary, vocabulary));
    for (size_t i = 0; i < vocabulary; ++i)
      sum += std::exp(p[i]) * (p[i] - q[i]);
  }
  return rows ? sum / rows : 0;
}

/// Evaluates both and compares.
class Comparison {
public:
  Comparison(ModuleOp whole, ModuleOp programs, const frontend::Checkpoint &checkpoint)
      : whole(whole), checkpoint(checkpoint), steps(sampleSteps(checkpoint.config().vocabulary)) {
    for (auto grid : programs.getOps<shard::GridOp>()) {
      stages = grid.getShape().front();
      tensor = grid.getShape().back();
    }
    programOfChip.resize(stages * tensor);
    for (auto program : programs.getOps<ModuleOp>())
      for (int64_t chip :
           program->getAttrOfType<DenseI64ArrayAttr>(mlir::tenon::TenonDialect::kChipsAttrName)
               .asArrayRef())
        programOfChip[chip] = program;
  }

  llvm::Expected<ShardingCheck> run() {
    if (!runWhole())
      return llvm::createStringError("--verify: the model cannot be evaluated on one chip");
    VirtualChips chips(stages, tensor);
    if (!chips.run([&](uint32_t chip) { runChip(chips, chip); }) || failedChips)
      return llvm::createStringError("--verify: the programs of the chips cannot be evaluated");
    const size_t vocabulary = checkpoint.config().vocabulary;
    for (auto [one, other] : llvm::zip_equal(wholeLogits, logits))
      check.meanKl += meanKl(one.floats(), other.floats(), vocabulary) / steps.size();
    return std::move(check);
  }

private:
  static mlir::tenon::CacheType cacheOf(ModuleOp module);

  bool runWhole() {
    const frontend::ModelConfig &config = checkpoint.config();
    HostKvCache cache(config.layers, config.kvHeads, config.headDim);
    for (auto [number, step] : llvm::enumerate(steps)) {
      ReferenceInterpreter interpreter(whole, [&](StringRef symbol, RankedTensorType) {
        return readerOf(checkpoint, whole.lookupSymbol<mlir::tenon::WeightOp>(symbol), 0);
      });
      Naming naming(number, 0);
      interpreter.setObserver([&](Operation *op, ArrayRef<HostTensor>,
                                  ArrayRef<HostTensor> results) {
        naming.see(op, results,
                   [&](const std::string &key, const HostTensor &value) { expected[key] = value; });
      });
      auto result = interpreter.runStep(step, cache);
      if (failed(result))
        return false;
      wholeLogits.push_back(*result);
    }
    return true;
  }

  void runChip(VirtualChips &chips, uint32_t chip) {
    ModuleOp program = programOfChip[chip];
    const int64_t rank = chip % tensor;
    const auto type = cacheOf(program);
    HostKvCache cache(type.getLayers(), type.getKvHeads(), type.getHeadDim());
    const double rounding =
        kRounding * tensor * roundedSumsOfALayer(program); // Of every part of the sums of a layer.
    int64_t firstLayer = 0;
    for (int64_t before = 0; before < chip / tensor; ++before)
      firstLayer += cacheOf(programOfChip[before * tensor]).getLayers();
    for (auto [number, step] : llvm::enumerate(steps)) {
      ReferenceInterpreter interpreter(program, [&](StringRef symbol, RankedTensorType) {
        return readerOf(checkpoint, program.lookupSymbol<mlir::tenon::WeightOp>(symbol), rank);
      });
      interpreter.setExchange(
          [&](Operation *op, ArrayRef<HostTensor> operands) {
            return chips.exchange(chip, op, operands);
          },
          firstToken(program, rank));
      Naming naming(number, firstLayer);
      interpreter.setObserver(
          [&](Operation *op, ArrayRef<HostTensor>, ArrayRef<HostTensor> results) {
            naming.see(op, results, [&](const std::string &key, const HostTensor &value) {
              if (isa<func::CallOp>(op) || isCollective(op))
                compare(key, value, chip, kTolerance + rounding * (naming.layers() + 1));
            });
          });
      auto results = interpreter.runStep(step, cache);
      if (failed(results)) {
        ++failedChips;
        return;
      }
      if (chip == (stages - 1) * tensor)
        logits.push_back(*results);
    }
  }

  static int32_t firstToken(ModuleOp program, int64_t rank) {
    int32_t first = 0;
    program.walk([&](mlir::tenon::EmbedOp embed) {
      auto argument = dyn_cast<BlockArgument>(embed.getTable());
      auto region = embed->getParentOfType<mlir::tenon::FusedOp>();
      if (!embed.getPartial() || !argument || !region)
        return;
      auto param = region.getCaptured(argument).getDefiningOp<mlir::tenon::ParamOp>();
      auto weight = param ? program.lookupSymbol<mlir::tenon::WeightOp>(param.getWeight())
                          : mlir::tenon::WeightOp();
      if (weight && weight.getCut())
        first = weight.getCut()->getBegins()[rank];
    });
    return first;
  }

  void compare(const std::string &key, const HostTensor &value, uint32_t chip, double tolerance) {
    auto known = expected.find(key);
    if (known == expected.end() || known->second.floats().size() != value.floats().size())
      return; // A region that one chip has fused otherwise; its layer is compared.
    const std::string name = regionOf(key);
    auto region = llvm::find_if(check.regions, [&](auto &entry) { return entry.region == name; });
    if (region == check.regions.end()) {
      check.regions.emplace_back();
      region = std::prev(check.regions.end());
      region->region = name;
      region->kernel = "chips together";
      region->tolerance = tolerance;
    }
    double magnitude = 0, difference = 0;
    for (auto [a, b] : llvm::zip_equal(known->second.floats(), value.floats())) {
      magnitude = std::max(magnitude, std::abs(double(a)));
      const double d = std::abs(double(a) - b);
      difference = d <= difference ? difference : std::isnan(d) ? INFINITY : d;
    }
    const double relative = magnitude > 0 ? difference / magnitude : difference;
    ++region->samples;
    region->maxAbsError = std::max(region->maxAbsError, difference);
    // The worst is the one that comes nearest to what its layer may differ by.
    if (region->worst.empty() || relative * region->tolerance > region->maxRelError * tolerance) {
      region->worst = "chip " + std::to_string(chip) + ", step.layer.region " + key;
      region->maxRelError = relative;
      region->tolerance = tolerance;
    }
  }

  ModuleOp whole;
  const frontend::Checkpoint &checkpoint;
  const std::vector<ReferenceStep> steps;
  int64_t stages = 1, tensor = 1;
  std::vector<ModuleOp> programOfChip;
  Results expected;
  std::vector<HostTensor> wholeLogits, logits;
  uint32_t failedChips = 0;
  ShardingCheck check;
};

mlir::tenon::CacheType Comparison::cacheOf(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  for (Type type : step.getArgumentTypes())
    if (auto cache = dyn_cast<mlir::tenon::CacheType>(type))
      return cache;
  return {};
}
} // namespace

llvm::Expected<ShardingCheck> checkSharding(ModuleOp whole, ModuleOp programs,
                                            const frontend::Checkpoint &checkpoint) {
  return Comparison(whole, programs, checkpoint).run();
}

} // namespace tenon::compiler
