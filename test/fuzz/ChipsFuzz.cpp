//===- ChipsFuzz.cpp - Hostile chips files and config.json ----------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The first byte says what the rest is: a (f)ile of chips, or a (c)onfig.json. What is taken keeps
// the ranges that plans and predictions count on; what is not says why.
//
#include "compiler/driver/ChipsFile.h"
#include "frontends/huggingface/ConfigJson.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

using namespace tenon;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

static bool isRate(double rate) { return rate >= 1 && rate <= 1e24; }

static void readChips(llvm::StringRef text) {
  llvm::Expected<compiler::ChipsFile> file = compiler::readChips("chips.json", text);
  if (!file) {
    const std::string why = llvm::toString(file.takeError());
    require(why.rfind("chips.json: ", 0) == 0 && why.size() > 20, "a refusal without a reason");
    return;
  }
  const auto count = uint32_t(file->chips.size());
  require(count >= 1 && count <= 1024, "a number of chips out of range");
  for (const compiler::ChipKind &chip : file->chips) {
    require(chip.memory > 0, "a chip without memory");
    for (double rate : {chip.readBandwidth, chip.writeBandwidth, chip.int8Macs, chip.bf16Macs,
                        chip.f32Macs, chip.int8MacsAt(1), chip.int8MacsAt(37.5)})
      require(isRate(rate), "a rate out of range");
    require(std::isfinite(chip.launchSeconds) && chip.sharedBy >= 1, "a launch without an end");
  }
  for (uint32_t i = 0; i < file->links.size(); ++i)
    require(file->links[i].group >= 1 && isRate(file->links[i].bandwidth) &&
                (i == 0 || file->links[i - 1].group <= file->links[i].group),
            "a link out of order or range");
  require(count == 1 || file->linkOf(0, count, 1), "chips that cannot reach each other");
}

static void readConfig(llvm::StringRef text) {
  frontend::OpenOptions options;
  options.randomWeightsSeed = 1;
  auto checkpoint = frontend::openConfigJson("config.json", text, options);
  if (!checkpoint) {
    const std::string why = llvm::toString(checkpoint.takeError());
    require(why.find("config.json") != std::string::npos, "a refusal that names no file");
    return;
  }
  require(!(*checkpoint)->tensors().empty(), "a model without tensors");
  for (const frontend::Tensor &tensor : (*checkpoint)->tensors())
    require(tensor.rows > 0 && tensor.columns > 0, "a tensor without values");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const llvm::StringRef rest(reinterpret_cast<const char *>(data) + 1, size - 1);
  if (data[0] == 'f')
    readChips(rest);
  else if (data[0] == 'c')
    readConfig(rest);
  return 0;
}
