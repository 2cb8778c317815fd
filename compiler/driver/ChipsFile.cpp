//===- ChipsFile.cpp - What the chips are and how they are joined ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/ChipsFile.h"

#include "frontends/ErrorText.h"
#include "frontends/JsonNesting.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <cmath>

namespace tenon::compiler {

namespace {
constexpr uint64_t kMostChips = 1024;
/// Bytes or multiply-accumulates a second: beyond these, times are no numbers any more.
constexpr double kLeastRate = 1, kMostRate = 1e24;
constexpr double kMostSeconds = 1e6;
constexpr double kMostBytes = 0x1p60;
constexpr double kMostRows = 1e9;
constexpr uint32_t kDeepest = 16; ///< Three are used.

/// Reads objects of one file; the first problem stays.
class Reader {
public:
  explicit Reader(llvm::StringRef path) : path(path) {}

  llvm::Error failure(const llvm::Twine &why) const {
    return llvm::createStringError(path + ": " + why);
  }

  /// A number that must be there, from `least` to `most`.
  double number(const llvm::json::Object &object, llvm::StringRef key, const std::string &where,
                double least, double most) {
    const llvm::json::Value *value = object.get(key);
    const auto found = value ? value->getAsNumber() : std::nullopt;
    if (found && *found >= least && *found <= most)
      return *found;
    if (problem.empty())
      problem = where + " needs \"" + key.str() + "\", a number from " +
                frontend::numberText(least) + " to " + frontend::numberText(most);
    return least;
  }
  double rate(const llvm::json::Object &object, llvm::StringRef key, const std::string &where) {
    return number(object, key, where, kLeastRate, kMostRate);
  }
  double seconds(const llvm::json::Object &object, llvm::StringRef key, const std::string &where) {
    return number(object, key, where, 0, kMostSeconds);
  }

  /// A whole number of chips that must be there; more than there can be stand for all.
  uint32_t chips(const llvm::json::Object &object, llvm::StringRef key, const std::string &where) {
    const llvm::json::Value *value = object.get(key);
    const auto found = value ? value->getAsInteger() : std::nullopt;
    if (problem.empty() && (!found || *found < 1))
      problem = where + " needs \"" + key.str() + "\", a whole number of chips from 1 on";
    return static_cast<uint32_t>(std::clamp<int64_t>(found.value_or(1), 1, kMostChips));
  }

  void onlyKeys(const llvm::json::Object &object, llvm::ArrayRef<llvm::StringRef> known,
                const std::string &where) {
    for (const auto &[key, value] : object)
      if (problem.empty() && !llvm::is_contained(known, llvm::StringRef(key)))
        problem = where + " has the unknown key \"" + frontend::printable(key) + "\"; known are " +
                  llvm::join(known, ", ");
  }

  /// Pairs of rows and a rate, the rows ascending; may be left out.
  std::vector<std::pair<double, double>> points(const llvm::json::Object &object,
                                                llvm::StringRef key, const std::string &where) {
    std::vector<std::pair<double, double>> points;
    const llvm::json::Value *value = object.get(key);
    const llvm::json::Array *list = value ? value->getAsArray() : nullptr;
    bool sound = !value || (list && !list->empty());
    for (const llvm::json::Value &entry : list ? *list : llvm::json::Array()) {
      const llvm::json::Array *pair = entry.getAsArray();
      const double at = pair && pair->size() == 2 ? (*pair)[0].getAsNumber().value_or(0) : 0;
      const double rate = at > 0 ? (*pair)[1].getAsNumber().value_or(0) : 0;
      sound &= at <= kMostRows && rate >= kLeastRate && rate <= kMostRate &&
               (points.empty() || at > points.back().first);
      points.push_back({at, rate});
    }
    if (problem.empty() && !sound)
      problem = where + "." + key.str() +
                " is a list of [rows, multiply-accumulates a second], both above 0, by rising rows";
    return points;
  }

  std::string problem;

private:
  llvm::StringRef path;
};
} // namespace

double ChipKind::int8MacsAt(double rows) const {
  if (int8ByRows.empty())
    return int8Macs;
  const auto above =
      llvm::find_if(int8ByRows, [&](const auto &point) { return point.first >= rows; });
  if (above == int8ByRows.begin())
    return above->second;
  if (above == int8ByRows.end())
    return int8ByRows.back().second;
  const auto &[moreRows, more] = *above;
  const auto &[fewerRows, fewer] = *std::prev(above);
  return fewer + (more - fewer) * std::log(rows / fewerRows) / std::log(moreRows / fewerRows);
}

const Link *ChipsFile::linkOf(uint32_t first, uint32_t count, uint32_t stride) const {
  const uint32_t last = first + (count - 1) * stride;
  for (const Link &link : links)
    if (first / link.group == last / link.group)
      return &link;
  return nullptr;
}

llvm::Expected<ChipsFile> readChipsFile(llvm::StringRef path) {
  auto text = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!text)
    return Reader(path).failure(
        "cannot be read: " + text.getError().message() +
        "; give a number of chips, or a file as docs/chips.md describes it");
  return readChips(path, (*text)->getBuffer());
}

llvm::Expected<ChipsFile> readChips(llvm::StringRef path, llvm::StringRef text) {
  Reader reader(path);
  if (frontend::nestsDeeperThan(text, kDeepest))
    return reader.failure("nests brackets deeper than " + llvm::Twine(kDeepest) +
                          "; give a file as docs/chips.md describes it");
  auto parsed = llvm::json::parse(text);
  if (!parsed)
    return reader.failure("is no JSON: " + llvm::toString(parsed.takeError()));
  const llvm::json::Object *root = parsed->getAsObject();
  const llvm::json::Array *chips = root ? root->getArray("chips") : nullptr;
  const llvm::json::Array *links = root ? root->getArray("links") : nullptr;
  if (!chips || chips->empty() || !links)
    return reader.failure("needs a list \"chips\" with an entry and a list \"links\"");
  reader.onlyKeys(*root, {"name", "chips", "links"}, "the file");

  ChipsFile file;
  file.name = root->getString("name").value_or("").str();
  for (auto [index, value] : llvm::enumerate(*chips)) {
    const std::string where = "chips[" + std::to_string(index) + "]";
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return reader.failure(where + " is no object");
    reader.onlyKeys(*object,
                    {"kind", "count", "memory", "read_bandwidth", "write_bandwidth",
                     "context_bandwidth", "macs_per_second", "int8_by_rows", "launch_seconds",
                     "shared_read_bandwidth", "shared_context_bandwidth", "shared_by"},
                    where);
    ChipKind chip;
    chip.kind = object->getString("kind").value_or("cpu").str();
    chip.memory = static_cast<uint64_t>(reader.number(*object, "memory", where, 1, kMostBytes));
    chip.readBandwidth = reader.rate(*object, "read_bandwidth", where);
    chip.writeBandwidth = reader.rate(*object, "write_bandwidth", where);
    chip.launchSeconds = reader.seconds(*object, "launch_seconds", where);
    if (object->get("context_bandwidth"))
      chip.contextBandwidth = reader.rate(*object, "context_bandwidth", where);
    if (object->get("shared_read_bandwidth") || object->get("shared_context_bandwidth") ||
        object->get("shared_by")) {
      chip.sharedReadBandwidth = reader.rate(*object, "shared_read_bandwidth", where);
      if (object->get("shared_context_bandwidth"))
        chip.sharedContextBandwidth = reader.rate(*object, "shared_context_bandwidth", where);
      chip.sharedBy = reader.chips(*object, "shared_by", where);
    }
    const llvm::json::Object none, *rates = object->getObject("macs_per_second");
    rates = rates ? rates : &none;
    chip.int8Macs = reader.rate(*rates, "int8", where + ".macs_per_second");
    chip.bf16Macs = reader.rate(*rates, "bf16", where + ".macs_per_second");
    chip.f32Macs = reader.rate(*rates, "f32", where + ".macs_per_second");
    chip.int8ByRows = reader.points(*object, "int8_by_rows", where);
    const int64_t count = object->getInteger("count").value_or(1);
    if (count < 1 || file.chips.size() + count > kMostChips)
      return reader.failure(where + " makes it " + llvm::Twine(file.chips.size() + count) +
                            " chips; 1 to " + llvm::Twine(kMostChips) + " are possible");
    file.chips.insert(file.chips.end(), count, chip);
  }
  for (auto [index, value] : llvm::enumerate(*links)) {
    const std::string where = "links[" + std::to_string(index) + "]";
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return reader.failure(where + " is no object");
    reader.onlyKeys(*object, {"group", "latency_seconds", "bandwidth", "topology", "overlap"},
                    where);
    Link link;
    link.group = reader.chips(*object, "group", where);
    link.latencySeconds = reader.seconds(*object, "latency_seconds", where);
    link.bandwidth = reader.rate(*object, "bandwidth", where);
    const llvm::StringRef topology = object->getString("topology").value_or("all_to_all");
    if (topology != "ring" && topology != "all_to_all")
      return reader.failure(where + ".topology is \"" + frontend::printable(topology) +
                            "\"; known are all_to_all, ring");
    link.ring = topology == "ring";
    if (object->get("overlap")) // The part of a transfer that goes on while chips compute.
      link.overlap = reader.number(*object, "overlap", where, 0, 1);
    file.links.push_back(link);
  }
  if (!reader.problem.empty())
    return reader.failure(reader.problem);
  llvm::stable_sort(file.links, [](const Link &a, const Link &b) { return a.group < b.group; });
  const uint32_t all = file.chips.size();
  if (all > 1 && !file.linkOf(0, all, 1))
    return reader.failure("has no link whose group joins all " + llvm::Twine(all) + " chips");
  return file;
}

} // namespace tenon::compiler
