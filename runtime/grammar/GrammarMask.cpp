//===- GrammarMask.cpp - Tokens of an answer under a grammar --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/GrammarMask.h"

#include <cpp/tokenizer_info_impl.h>

#include <algorithm>
#include <ctime>

namespace tenon::grammar {

/// Processor time that one mask may take. Grammars of real schemas take 5 to 500 µs; one that is
/// ambiguous without bound grows with every token, and its sequence is ended before it holds up the
/// others for longer than this.
static constexpr uint64_t kMaskNanosAtMost = 100'000'000;

/// Draws that may be refused for one token; then the ending's own is taken.
static constexpr uint32_t kRefusalsAtMost = 16;

static uint64_t threadNanos() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

GrammarMask::GrammarMask(const xgrammar::CompiledGrammar &grammar,
                         std::shared_ptr<const ShortestEnds> ends,
                         const std::vector<int32_t> &stops, uint32_t tokens)
    : matcher(grammar, stops), info(grammar.GetTokenizerInfo()), stopTokens(stops),
      size(info.GetVocabSize()), allowed(size_t(xgrammar::GetBitmaskSize(size))),
      shape{int64_t(allowed.size())}, left(tokens),
      parser(std::make_unique<EndingParser>(grammar.GetGrammar(), std::move(ends))) {
  ending = endingWithin(left - std::min(left, 1u));
  if (!ending)
    parser.reset();
}

/// Runs `body`; what throws, or takes too long, breaks the mask.
template <typename Body> void GrammarMask::timed(Body &&body) {
  const uint64_t began = threadNanos();
  try {
    body();
  } catch (const std::exception &) {
    broken = true;
  }
  broken |= threadNanos() - began > kMaskNanosAtMost;
}

bool GrammarMask::isStop(int32_t token) const {
  return std::find(stopTokens.begin(), stopTokens.end(), token) != stopTokens.end();
}

std::string_view GrammarMask::textOf(int32_t token) const {
  const auto &texts = info.GetDecodedVocab();
  return token >= 0 && size_t(token) < texts.size() ? std::string_view(texts[size_t(token)])
                                                    : std::string_view();
}

void GrammarMask::fill() {
  DLTensor tensor{allowed.data(), {kDLCPU, 0}, 1, xgrammar::GetBitmaskDLType(), &shape, nullptr, 0};
  if (!matcher.FillNextTokenBitmask(&tensor))
    std::fill(allowed.begin(), allowed.end(), -1);
  if (size % 32)
    allowed.back() &= (1 << size % 32) - 1;
}

/// Only the next token of the ending, which is known.
void GrammarMask::allowOnlyTheEnding() {
  std::fill(allowed.begin(), allowed.end(), 0);
  if (!ending->empty())
    return allow(ending->back());
  for (int32_t token : stopTokens)
    allow(token);
}

std::span<const uint32_t> GrammarMask::next() {
  if (broken)
    return {};
  if (refusals == 0)
    timed([&] {
      if (parser && !ending && parser->leastBytes() + uint64_t(1) >= left)
        ending = endingWithin(left - 1);
      // A whole answer may go on until its tokens run out.
      if (parser && ending && !ending->empty() && ending->size() + 1 >= left)
        allowOnlyTheEnding();
      else
        fill();
    });
  // None at all: no token spells what the grammar wants next, for the vocabulary lacks it.
  broken |= std::all_of(allowed.begin(), allowed.end(), [](int32_t word) { return word == 0; });
  return broken ? std::span<const uint32_t>()
                : std::span(reinterpret_cast<const uint32_t *>(allowed.data()), allowed.size());
}

std::optional<std::vector<int32_t>> GrammarMask::spell(std::string_view text, uint32_t most) const {
  // Longest first: the tokens of what is left of the text do not depend on those before. The
  // vocabulary is sorted, so the tokens that begin with so many bytes of the text are neighbours.
  const auto &sorted = info->GetSortedDecodedVocab();
  std::vector<int32_t> tokens;
  while (!text.empty()) {
    if (tokens.size() == most)
      return std::nullopt;
    auto low = sorted.begin(), high = sorted.end(), longest = sorted.end();
    for (size_t length = 1; length <= text.size(); ++length) {
      const std::string_view beginning = text.substr(0, length);
      low = std::lower_bound(low, high, beginning, [](const auto &entry, std::string_view b) {
        return entry.second < b;
      });
      high = std::upper_bound(low, high, beginning, [](std::string_view b, const auto &entry) {
        return b < std::string_view(entry.second).substr(0, b.size());
      });
      if (low == high)
        break;
      if (low->second.size() == length)
        longest = low;
    }
    if (longest == sorted.end())
      return std::nullopt;
    tokens.push_back(longest->first);
    text.remove_prefix(longest->second.size());
  }
  std::reverse(tokens.begin(), tokens.end());
  return tokens;
}

std::optional<std::vector<int32_t>> GrammarMask::endingWithin(uint32_t most) {
  // A text too long for any tokens is not worth its spelling.
  constexpr uint64_t bytesOfATokenAtMost = 64;
  const uint32_t least = parser->leastBytes();
  if (least == ShortestEnds::kNever || least > most * bytesOfATokenAtMost)
    return std::nullopt;
  return spell(parser->ending(), most);
}

/// The token has been read.
bool GrammarMask::keepsAnEnding(int32_t token) {
  const uint32_t after = left - 1;
  const uint32_t least = parser->leastBytes();
  if (least == 0) {
    ending.emplace();
    return true;
  }
  if (ending && !ending->empty() && ending->back() == token) {
    ending->pop_back();
    return true;
  }
  if (after == 0)
    return false;
  if (least < after) { // Every byte is a token, at worst.
    ending.reset();
    return true;
  }
  auto found = endingWithin(after - 1);
  if (!found)
    return false;
  ending = std::move(found);
  return true;
}

bool GrammarMask::admits(int32_t token) {
  if (broken || !parser || isStop(token))
    return true;
  bool admitted = true;
  timed([&] {
    const std::string_view text = textOf(token);
    if (!parser->read(text)) {
      parser.reset(); // The library lets it pass for another reason than its bytes.
      return;
    }
    if (keepsAnEnding(token)) {
      ahead = text.size();
      return;
    }
    if (++refusals >= kRefusalsAtMost) {
      parser->unread(text.size());
      if (!ending)
        ending = endingWithin(left - 1);
      if (!ending) { // The vocabulary lacks a byte of it.
        parser.reset();
        return;
      }
      allowOnlyTheEnding();
    } else {
      parser->unread(text.size());
      allowed[size_t(token) / 32] &= ~int32_t(1u << token % 32);
    }
    admitted = false;
  });
  return admitted || broken;
}

void GrammarMask::accept(int32_t token) {
  if (broken)
    return;
  timed([&] {
    if (parser && ahead == 0 && !textOf(token).empty() && !parser->read(textOf(token)))
      parser.reset();
    broken = !matcher.AcceptToken(token);
  });
  ahead = 0;
  refusals = 0;
  left -= std::min(left, 1u);
}

} // namespace tenon::grammar
