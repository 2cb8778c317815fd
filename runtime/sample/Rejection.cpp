//===- Rejection.cpp - Draws that look at few logits ----------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Rejection sampling (J. von Neumann, "Various techniques used in connection with random digits",
// 1951): a block of logits is proposed by the weight of its largest, one of its places by chance,
// and the logit there is taken with the share that its weight has in the largest one's. So every
// token comes with its own weight's chance, however flat or steep the distribution is, and of the
// logits only those that were proposed are read.
//
#include "runtime/sample/Sampler.h"

#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::sample {

/// Proposals until everything is summed or sorted instead. Of logits as models have them one in 2
/// to 20 is taken, of a mask with one token in each block one in 32; top-p of 0.01 takes one in 100
/// of those.
static constexpr uint32_t kProposalsAtMost = 256, kNucleusProposalsAtMost = 4096;

/// Blocks that are read before it is asked again whether what is known decides.
static constexpr size_t kBlocksAtOnce = 128;

/// How far a rough sum of weights is from an exact one, as a share of it: sums in other orders
/// differ by less than 4e-6.
static constexpr double kDoubt = kRoughly + 4e-6;

void Sampler::weighBlocks(const Scan &scan, float inverse) {
  groupEnds.resize((scan.maxima.size() + kWeightGroup - 1) / kWeightGroup);
  weighGroups(scan.maxima, scan.max, inverse, order.data(), groupEnds.data());
}

/// After weighBlocks(): a token by its weight, or -1 when there are no proposals left.
int32_t Sampler::drawProposed(const Scan &scan, float inverse, Proposals &proposals) {
  while (true) {
    if (proposals.next == proposals.made && !propose(scan, proposals))
      return -1;
    const Proposals::One &one = proposals.ahead[proposals.next++];
    if (one.token >= scan.logits.size())
      continue;
    const double share = double(
        expNegative((scan.logits[one.token] - scan.maxima[one.token / kMaximaBlock]) * inverse));
    if (one.chance < share)
      return static_cast<int32_t>(one.token);
  }
}

/// Makes further proposals, more each time: logits come from afar, and many can be on their way
/// together. False: there are none left.
bool Sampler::propose(const Scan &scan, Proposals &proposals) {
  const uint32_t count = std::min(
      {std::max(2 * proposals.made, 2u), uint32_t(proposals.ahead.size()), proposals.left});
  proposals.left -= count;
  proposals.made = count;
  proposals.next = 0;
  for (Proposals::One &one : std::span(proposals.ahead).first(count)) {
    const std::array<uint32_t, 4> words = proposals.random.next();
    const double u = unitInterval(words[0], words[1]) * groupEnds.back();
    size_t group = 0; // Counted, for a search's branches would be guessed wrong.
    for (const double end : groupEnds)
      group += end <= u;
    group = std::min(group, groupEnds.size() - 1);
    double rest = group ? u - groupEnds[group - 1] : u;
    size_t block =
        scan.maxima
            .size(); // of the group, the last that weighs anything where rounding leaves none
    for (size_t b = group * kWeightGroup;
         b < std::min((group + 1) * kWeightGroup, scan.maxima.size()); ++b) {
      if (!(order[b] > 0))
        continue;
      block = b;
      if (rest < double(order[b]))
        break;
      rest -= double(order[b]);
    }
    one = {block * kMaximaBlock + words[2] % kMaximaBlock, unitInterval(words[3], words[2])};
    if (block == scan.maxima.size())
      one.token = scan.logits.size();
    else
      __builtin_prefetch(scan.logits.data() + one.token);
  }
  return count > 0;
}

/// Whether top-p keeps a token: whether what is likelier weighs less than p of everything. Blocks
/// that hold something likelier are read, roughly. Each other one weighs at least what its largest
/// logit does, and at most that in all its places: they are read until these bounds decide. Nothing
/// where only the exact sums do.
std::optional<bool> Sampler::isKept(const Scan &scan, float inverse, float p, int32_t token) {
  const Candidate self{scan.logits[size_t(token)], token};
  const size_t own = size_t(token) / kMaximaBlock, blocks = scan.maxima.size();
  const Parted parted = partAt(scan.maxima, order.data(), self.logit, which.data());
  const std::span<const uint32_t> likelier = std::span(which).first(parted.count);
  const auto behind =
      size_t(std::lower_bound(likelier.begin(), likelier.end(), own) - likelier.begin());
  const WeightsFrom ahead =
      roughWeightsOfBlocks(scan.logits, scan.max, inverse, self.logit, likelier.first(behind));
  const WeightsFrom after =
      roughWeightsOfBlocks(scan.logits, scan.max, inverse,
                           std::nextafter(self.logit, std::numeric_limits<float>::infinity()),
                           likelier.subspan(behind + 1));
  double before = ahead.least + after.least, read = ahead.sum + after.sum;
  for (size_t i = own * kMaximaBlock; i < std::min((own + 1) * kMaximaBlock, scan.logits.size());
       ++i) {
    const double weight = double(expNegative((scan.logits[i] - scan.max) * inverse));
    read += weight;
    before += isBetter({scan.logits[i], static_cast<int32_t>(i)}, self) ? weight : 0.0;
  }
  double unread = parted.others; // What the largest logits of the other blocks weigh.
  size_t at = 0, past = 0;
  while (true) {
    if (before * (1 + kDoubt) < double(p) * (read + unread) * (1 - kDoubt))
      return true;
    if (before * (1 - kDoubt) > double(p) * (read + unread * double(kMaximaBlock)) * (1 + kDoubt))
      return false;
    if (at == blocks)
      return std::nullopt;
    uint32_t next[kBlocksAtOnce];
    size_t count = 0;
    for (; at < blocks && count < kBlocksAtOnce; ++at) {
      const bool isRead = past < likelier.size() && likelier[past] == at;
      next[count] = static_cast<uint32_t>(at);
      count += !isRead;
      past += isRead;
      unread -= isRead ? 0.0 : double(order[at]);
    }
    read +=
        roughWeightsOfBlocks(scan.logits, scan.max, inverse, scan.max, std::span(next).first(count))
            .sum;
    unread = at < blocks ? std::max(unread, 0.0) : 0;
  }
}

/// What the tokens that are likelier than `token` weigh, as a share of all; of equals the lower ids
/// are.
double Sampler::shareBefore(const Scan &scan, float inverse, int32_t token) const {
  const auto at = size_t(token);
  const float logit = scan.logits[at];
  const WeightsFrom before = weightsFrom(scan.logits.first(at), scan.max, inverse, logit);
  const WeightsFrom after =
      weightsFrom(scan.logits.subspan(at + 1), scan.max, inverse,
                  std::nextafter(logit, std::numeric_limits<float>::infinity()));
  const double all = before.sum + after.sum + double(expNegative((logit - scan.max) * inverse));
  return (before.least + after.least) / all;
}

/// Top-p, by drawing from all and asking whether what came is among the tokens kept. One that is
/// not says so of all that are less likely: few need to be asked about.
int32_t Sampler::drawFromNucleus(const Scan &scan, float inverse, float p, float least,
                                 DrawWords &random) {
  weighBlocks(scan, inverse);
  Candidate left{-std::numeric_limits<float>::infinity(),
                 -1}; // The likeliest token that is known to be left out.
  Proposals proposals{random, kNucleusProposalsAtMost};
  while (true) {
    const int32_t token = drawProposed(scan, inverse, proposals);
    if (token < 0)
      break;
    const Candidate drawn{scan.logits[size_t(token)], token};
    if (!(drawn.logit >= least) || (left.id >= 0 && !isBetter(drawn, left)))
      continue;
    const std::optional<bool> kept = isKept(scan, inverse, p, token);
    if (kept ? *kept : shareBefore(scan, inverse, token) < double(p))
      return token;
    left = drawn;
  }
  candidates.clear();
  double all = 0;
  for (size_t i = 0; i < scan.logits.size(); ++i)
    if (const float weight = expNegative((scan.logits[i] - scan.max) * inverse); weight > 0) {
      candidates.push_back({scan.logits[i], static_cast<int32_t>(i)});
      all += double(weight);
    }
  std::sort(candidates.begin(), candidates.end(), isBetter);
  cutAtMass(scan.max, inverse, double(p) * all);
  std::erase_if(candidates, [&](const Candidate &c) { return !(c.logit >= least); });
  return drawFromCandidates(scan, inverse, random.first());
}

int32_t Sampler::drawByTemperature(const Scan &scan, float inverse, DrawWords &random) {
  weighBlocks(scan, inverse);
  Proposals proposals{random, kProposalsAtMost};
  const int32_t token = drawProposed(scan, inverse, proposals);
  return token >= 0 ? token : drawFromAll(scan, inverse, random.first());
}

} // namespace tenon::sample
