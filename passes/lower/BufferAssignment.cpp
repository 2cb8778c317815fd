//===- BufferAssignment.cpp - Which values share a buffer -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/BufferAssignment.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::tenon;
using plan::KernelSlot;

static func::FuncOp calleeOf(func::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
}

static Operation *returnOf(func::FuncOp function) {
  return function.getBody().front().getTerminator();
}

Value BufferAssignment::find(Value value) const {
  for (auto it = parent.find(value); it != parent.end(); it = parent.find(value))
    value = it->second;
  return value;
}

void BufferAssignment::unite(Value a, Value b) {
  a = find(a);
  b = find(b);
  if (a != b)
    parent[b] = a;
}

void BufferAssignment::uniteStep(func::FuncOp step, const LaunchMap &launches) {
  for (func::CallOp call : step.getOps<func::CallOp>()) {
    func::FuncOp callee = calleeOf(call);
    for (auto [operand, argument] : llvm::zip_equal(call.getOperands(), callee.getArguments()))
      if (isActivation(operand))
        unite(operand, argument);
    for (auto [result, returned] :
         llvm::zip_equal(call.getResults(), returnOf(callee)->getOperands()))
      if (isActivation(result))
        unite(result, returned);
  }
  for (auto &[region, launch] : launches)
    if (launch.updated)
      unite(launch.residual, launch.updated);
}

void BufferAssignment::name(const LaunchMap &launches) {
  /// Buffers of one name and size that are used within single functions are one buffer: the
  /// functions do not run at the same time.
  struct Named {
    unsigned buffer;
    llvm::SmallPtrSet<Operation *, 4> functions;
  };
  llvm::StringMap<SmallVector<Named>> byName;
  llvm::DenseMap<Value, llvm::SmallPtrSet<Operation *, 4>> usedIn;
  llvm::MapVector<Value, BufferInfo> classes;
  for (auto &[region, launch] : launches) {
    for (auto [slot, pointer] : llvm::zip_equal(launch.slots, launch.pointers)) {
      if (!slot.reads() && !slot.writes())
        continue;
      BufferInfo &info = classes[find(pointer)];
      uint64_t &bytes =
          slot.rows == plan::RowDomain::Tokens ? info.bytesPerToken : info.bytesPerLogitRow;
      bytes = std::max(bytes, slot.rowBytes);
      if (slot.writes() && info.name.empty())
        info.name = launch.name;
      usedIn[find(pointer)].insert(region->getParentOp());
    }
  }
  llvm::StringSet<> taken;
  for (auto &[value, info] : classes) {
    const auto &functions = usedIn[value];
    const bool local = functions.size() == 1;
    auto sameSize = [&](const Named &other) {
      return infos[other.buffer].bytesPerToken == info.bytesPerToken &&
             infos[other.buffer].bytesPerLogitRow == info.bytesPerLogitRow &&
             !other.functions.contains(*functions.begin());
    };
    SmallVector<Named> &candidates = byName[info.name];
    auto *shared = local ? llvm::find_if(candidates, sameSize) : candidates.end();
    if (shared != candidates.end()) {
      index[value] = shared->buffer;
      shared->functions.insert(*functions.begin());
      continue;
    }
    index[value] = infos.size();
    if (local)
      candidates.push_back({static_cast<unsigned>(infos.size()), functions});
    std::string unique = info.name;
    for (unsigned number = 1; !taken.insert(unique).second; ++number)
      unique = info.name + "." + std::to_string(number);
    info.name = unique;
    infos.push_back(info);
  }
}

namespace {
/// Follows the values of one step through the buffers that hold them.
class Follower {
public:
  explicit Follower(const BufferAssignment &assignment)
      : assignment(assignment), holds(assignment.buffers().size()) {}

  /// `known` says which content each activation of the function stands for.
  LogicalResult run(func::FuncOp function, llvm::DenseMap<Value, unsigned> known) {
    for (Operation &op : function.getBody().front()) {
      if (auto call = dyn_cast<func::CallOp>(op)) {
        if (failed(runCall(call, known)))
          return failure();
      } else if (auto region = dyn_cast<FusedOp>(op)) {
        if (failed(runLaunch(region, known)))
          return failure();
      }
    }
    for (Value value : returnOf(function)->getOperands())
      if (isActivation(value))
        returned.push_back(known.lookup(value));
    return success();
  }

private:
  LogicalResult runCall(func::CallOp call, llvm::DenseMap<Value, unsigned> &known) {
    func::FuncOp callee = calleeOf(call);
    llvm::DenseMap<Value, unsigned> inside;
    for (auto [operand, argument] : llvm::zip_equal(call.getOperands(), callee.getArguments()))
      if (isActivation(operand))
        inside[argument] = known.lookup(operand);
    returned.clear();
    if (failed(run(callee, std::move(inside))))
      return failure();
    unsigned number = 0;
    for (Value result : call.getResults())
      if (isActivation(result))
        known[result] = returned[number++];
    return success();
  }

  LogicalResult runLaunch(FusedOp region, llvm::DenseMap<Value, unsigned> &known) {
    for (Value input : region.getInputs())
      if (isActivation(input) && holds[assignment.bufferOf(input)] != known.lookup(input))
        return region.emitOpError("reads a value whose buffer '")
               << assignment.buffers()[assignment.bufferOf(input)].name
               << "' something else has been written over; a copy would be needed, and no kernel "
                  "makes one";
    for (Value result : region.getResults())
      if (isActivation(result))
        holds[assignment.bufferOf(result)] = known[result] = ++contents;
    return success();
  }

  const BufferAssignment &assignment;
  SmallVector<unsigned> holds; ///< By buffer; 0: nothing.
  SmallVector<unsigned> returned;
  unsigned contents = 0;
};
} // namespace

FailureOr<BufferAssignment> BufferAssignment::compute(func::FuncOp step,
                                                      const LaunchMap &launches) {
  BufferAssignment assignment;
  assignment.uniteStep(step, launches);
  assignment.name(launches);
  if (failed(Follower(assignment).run(step, llvm::DenseMap<Value, unsigned>())))
    return failure();
  return assignment;
}
