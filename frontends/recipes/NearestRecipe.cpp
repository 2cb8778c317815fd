//===- NearestRecipe.cpp - Refuse an architecture, saying why -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/NearestRecipe.h"

#include "frontends/ErrorText.h"
#include "frontends/recipes/Hyperparameters.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <set>

namespace tenon::frontend {

using llvm::StringRef;

namespace {

using Names = std::set<std::string>;

/// What a checkpoint of some recipe may and must have.
struct Features {
  Names possible, required;
};

/// "blk.17.attn_q.weight" to "blk.N.attn_q.weight".
std::string withoutLayer(StringRef name) {
  StringRef rest = name;
  if (!rest.consume_front("blk."))
    return name.str();
  const StringRef tail = rest.drop_while(llvm::isDigit);
  return tail.size() == rest.size() ? name.str() : "blk.N" + tail.str();
}

Features featuresOf(const Recipe &recipe) {
  Features result;
  auto add = [&](const std::string &name, bool required) {
    result.possible.insert(name);
    if (required)
      result.required.insert(name);
  };
  for (const IntegerKey &key : integerKeys())
    if (!key.windowOnly || recipe.slidingWindow)
      add("key " + key.gguf.str(), key.required);
  for (const NumberKey &key : numberKeys())
    if (!key.windowOnly || recipe.slidingWindow)
      add("key " + key.gguf.str(), key.required);
  for (StringRef key : furtherKeys())
    add("key " + key.str(), false);
  for (const TensorRule &rule : modelTensors(recipe))
    add("tensor " + rule.name.str(), !rule.optional);
  for (const TensorRule &rule : layerTensors(recipe))
    add("tensor blk.N." + rule.name.str(), !rule.optional);
  return result;
}

/// Names in `a` that are not in `b`.
std::vector<std::string> minus(const Names &a, const Names &b) {
  std::vector<std::string> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

std::string listing(const std::vector<std::string> &names) {
  if (names.empty())
    return "nothing";
  constexpr size_t shown = 12;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), shown); ++i)
    text += (i ? ", " : "") + printable(names[i]);
  if (names.size() > shown)
    text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

} // namespace

llvm::Error refuseArchitecture(StringRef file, StringRef architecture,
                               llvm::ArrayRef<std::string> keys,
                               llvm::ArrayRef<std::string> tensorNames) {
  Names found;
  const std::string prefix = architecture.str() + ".";
  for (StringRef key : keys)
    if (key.consume_front(prefix))
      found.insert("key " + key.str());
  for (StringRef name : tensorNames)
    found.insert("tensor " + withoutLayer(name));

  const Recipe *nearest = nullptr;
  size_t fewest = 0;
  std::vector<std::string> extra, missing;
  for (const Recipe *recipe : allRecipes()) {
    const Features features = featuresOf(*recipe);
    std::vector<std::string> more = minus(found, features.possible);
    std::vector<std::string> less = minus(features.required, found);
    if (nearest && more.size() + less.size() >= fewest)
      continue;
    nearest = recipe;
    fewest = more.size() + less.size();
    extra = std::move(more);
    missing = std::move(less);
  }
  std::vector<std::string> known;
  for (const Recipe *recipe : allRecipes())
    known.push_back(recipe->name.str());
  return fileError(file,
                   "architecture '" + printable(architecture) + "' has no recipe (there are " +
                       llvm::join(known, ", ") + "). The nearest is '" + nearest->name +
                       "'. The model has beyond it: " + listing(extra) +
                       ". It lacks: " + listing(missing) +
                       ". Write a recipe for it (frontends/recipes), or choose another model");
}

} // namespace tenon::frontend
