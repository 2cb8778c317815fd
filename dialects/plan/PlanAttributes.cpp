//===- PlanAttributes.cpp - Extents, costs, launch arguments --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::plan;

#include "dialects/plan/PlanEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plan/PlanAttributes.cpp.inc"

void PlanDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/plan/PlanAttributes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Linear forms: `4096 + 2304 T + 64 W`
//===----------------------------------------------------------------------===//

/// Reads a sum of terms into `constant` and, by `names`, `coefficients`.
static ParseResult parseForm(AsmParser &parser, uint64_t *constant, ArrayRef<StringRef> names,
                             MutableArrayRef<uint64_t> coefficients) {
  SmallVector<bool> seen(names.size() + 1, false);
  do {
    uint64_t value;
    auto where = parser.getCurrentLocation();
    StringRef name;
    if (parser.parseInteger(value))
      return failure();
    size_t place = names.size();
    if (succeeded(parser.parseOptionalKeyword(&name, names)))
      place = llvm::find(names, name) - names.begin();
    else if (!constant && value != 0)
      return parser.emitError(where, "a constant term has no meaning here");
    if (seen[place])
      return parser.emitError(where, "term stated twice");
    seen[place] = true;
    if (place < names.size())
      coefficients[place] = value;
    else if (constant)
      *constant = value;
  } while (succeeded(parser.parseOptionalPlus()));
  return success();
}

static void printForm(AsmPrinter &printer, uint64_t constant, ArrayRef<StringRef> names,
                      ArrayRef<uint64_t> coefficients) {
  bool first = true;
  auto term = [&](uint64_t value, StringRef name) {
    if (value == 0)
      return;
    printer << (first ? "" : " + ") << value;
    if (!name.empty())
      printer << ' ' << name;
    first = false;
  };
  term(constant, "");
  for (auto [name, value] : llvm::zip(names, coefficients))
    term(value, name);
  if (first)
    printer << 0;
}

static const StringRef kExtentTerms[] = {"T", "S", "W"};
static const StringRef kCostTerms[] = {"T", "S", "C"};

Attribute ExtentAttr::parse(AsmParser &parser, Type) {
  uint64_t fixed = 0, per[3] = {};
  if (parser.parseLess() || parseForm(parser, &fixed, kExtentTerms, per) || parser.parseGreater())
    return {};
  return get(parser.getContext(), fixed, per[0], per[1], per[2]);
}

void ExtentAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printForm(printer, getFixed(), kExtentTerms, {getPerToken(), getPerLogitRow(), getPerWorker()});
  printer << '>';
}

uint64_t ExtentAttr::at(uint64_t tokens, uint64_t rows, uint64_t workers) const {
  return getFixed() + getPerToken() * tokens + getPerLogitRow() * rows + getPerWorker() * workers;
}

bool ExtentAttr::fitsIn(ExtentAttr other) const {
  return getFixed() <= other.getFixed() && getPerToken() <= other.getPerToken() &&
         getPerLogitRow() <= other.getPerLogitRow() && getPerWorker() <= other.getPerWorker();
}

ExtentAttr ExtentAttr::plus(ExtentAttr other) const {
  return get(getContext(), getFixed() + other.getFixed(), getPerToken() + other.getPerToken(),
             getPerLogitRow() + other.getPerLogitRow(), getPerWorker() + other.getPerWorker());
}

ExtentAttr ExtentAttr::max(ExtentAttr other) const {
  return get(getContext(), std::max(getFixed(), other.getFixed()),
             std::max(getPerToken(), other.getPerToken()),
             std::max(getPerLogitRow(), other.getPerLogitRow()),
             std::max(getPerWorker(), other.getPerWorker()));
}

bool ExtentAttr::isAligned(uint64_t alignment) const {
  return (getFixed() | getPerToken() * 16 | getPerLogitRow() * 16 | getPerWorker()) % alignment ==
         0;
}

//===----------------------------------------------------------------------===//
// Cost
//===----------------------------------------------------------------------===//

Attribute CostAttr::parse(AsmParser &parser, Type) {
  uint64_t weightBytes = 0, bytes[3] = {}, macs[3] = {};
  if (parser.parseLess() || parser.parseKeyword("bytes") || parser.parseEqual() ||
      parseForm(parser, &weightBytes, kCostTerms, bytes))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("macs") || parser.parseEqual() ||
       parseForm(parser, nullptr, kCostTerms, macs)))
    return {};
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(), weightBytes, bytes[0], bytes[1], bytes[2], macs[0], macs[1],
             macs[2]);
}

void CostAttr::print(AsmPrinter &printer) const {
  printer << "<bytes = ";
  printForm(printer, getWeightBytes(), kCostTerms,
            {getBytesPerToken(), getBytesPerLogitRow(), getBytesPerContext()});
  if (getMacsPerToken() || getMacsPerLogitRow() || getMacsPerContext()) {
    printer << ", macs = ";
    printForm(printer, 0, kCostTerms,
              {getMacsPerToken(), getMacsPerLogitRow(), getMacsPerContext()});
  }
  printer << '>';
}

//===----------------------------------------------------------------------===//
// Launch arguments
//===----------------------------------------------------------------------===//

static ParseResult parseArg(AsmParser &parser, ArgAttr &arg) {
  StringRef keyword;
  auto where = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<ArgKind> kind = symbolizeArgKind(keyword);
  if (!kind)
    return parser.emitError(where, "expected buffer, weight, layer_weight, k_pool or v_pool");
  FlatSymbolRefAttr symbol;
  uint32_t index = 0;
  if (*kind == ArgKind::Buffer || *kind == ArgKind::Weight) {
    StringAttr name;
    if (parser.parseSymbolName(name))
      return failure();
    symbol = FlatSymbolRefAttr::get(name);
  } else if (*kind == ArgKind::LayerWeight && parser.parseInteger(index)) {
    return failure();
  }
  arg = ArgAttr::get(parser.getContext(), *kind, symbol, index);
  return success();
}

static void printArg(AsmPrinter &printer, ArgAttr arg) {
  printer << stringifyArgKind(arg.getKind());
  if (arg.getSymbol())
    printer << ' ' << arg.getSymbol();
  else if (arg.getKind() == ArgKind::LayerWeight)
    printer << ' ' << arg.getIndex();
}

Attribute ArgAttr::parse(AsmParser &parser, Type) {
  ArgAttr arg;
  if (parser.parseLess() || parseArg(parser, arg) || parser.parseGreater())
    return {};
  return arg;
}

void ArgAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printArg(printer, *this);
  printer << '>';
}

namespace mlir::plan {
/// The list between the parentheses of a launch, without the attributes' own brackets.
ParseResult parseLaunchArgs(OpAsmParser &parser, ArrayAttr &args) {
  SmallVector<Attribute> list;
  if (parser.parseCommaSeparatedList([&] {
        ArgAttr arg;
        if (parseArg(parser, arg))
          return failure();
        list.push_back(arg);
        return success();
      }))
    return failure();
  args = ArrayAttr::get(parser.getContext(), list);
  return success();
}

void printLaunchArgs(OpAsmPrinter &printer, Operation *, ArrayAttr args) {
  llvm::interleaveComma(args.getAsRange<ArgAttr>(), printer,
                        [&](ArgAttr arg) { printArg(printer, arg); });
}
} // namespace mlir::plan
