//===- Sampler.h - From logits to the next token ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SAMPLE_SAMPLER_H
#define TENON_RUNTIME_SAMPLE_SAMPLER_H

#include "runtime/base/Status.h"
#include "runtime/sample/Philox.h"
#include "runtime/sample/VocabularyPass.h"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tenon::sample {

/// How a request wants its tokens drawn. Applied in this order: logit bias, repetition, frequency
/// and presence penalties, temperature, top-k, top-p, min-p.
struct SamplingParams {
  float temperature = 0; ///< 0: greedy; ties go to the lowest id.
  uint32_t topK = 0;     ///< Keep the k most likely; 0: all.
  float topP = 1;        ///< Keep the most likely until their probabilities reach this.
  float minP = 0;        ///< Keep what has at least this share of the most likely's probability.
  float repetitionPenalty = 1; ///< Divides positive and multiplies negative logits of tokens seen.
  float frequencyPenalty = 0;  ///< Subtracted once for each time a token was generated.
  float presencePenalty = 0;   ///< Subtracted if a token was generated at all.
  std::vector<std::pair<int32_t, float>> logitBias; ///< Added to the token's logit.
  uint64_t seed = 0;
  uint32_t topLogprobs = 0; ///< How many alternatives to report with each token.
  bool logprobs = false;    ///< Report the chosen token's log-probability.

  /// InvalidArgument that names the parameter, its value and its range.
  Status validate(uint32_t vocabulary) const;
  bool changesLogits() const;
};

struct TokenLogprob {
  int32_t id;
  float logprob;
};

/// Tokens of a request that penalties look at, with counts: prompt and generated.
class TokenHistory {
public:
  TokenHistory() = default;
  /// Reserves for `tokens` entries.
  explicit TokenHistory(size_t tokens) { entries.reserve(tokens); }
  void addPrompt(std::span<const int32_t> tokens);
  void addGenerated(int32_t token);

  struct Entry {
    int32_t id;
    uint32_t generated; ///< Times generated; 0: only in the prompt.
  };
  std::span<const Entry> seen() const { return entries; }

private:
  Entry &entryOf(int32_t token);
  std::vector<Entry> entries; ///< Sorted by id.
};

/// Says which tokens may come next: the place for grammars. One per request; one thread at a time,
/// which need not be the same each time.
class TokenMask {
public:
  virtual ~TokenMask() = default;
  /// Which tokens may come next: bit t % 32 of word t / 32 says it of token t, and those beyond the
  /// words may not. Empty: any may, or it has failed. Valid until the next call.
  virtual std::span<const uint32_t> next() = 0;
  /// `token` was drawn under next(). False: it may not come for a reason that next() did not know;
  /// next() now does, and a token is drawn again.
  virtual bool admits(int32_t token) { return true; }
  /// `token` was drawn, admitted, and belongs to the answer.
  virtual void accept(int32_t token) = 0;
  /// It cannot go on: what it would allow is not known, or takes too long to find. The sequence
  /// must end.
  virtual bool failed() const { return false; }
};

/// What a single draw may not give, beyond the request's own parameters.
struct DrawLimits {
  std::span<const uint32_t> allowed; ///< As a TokenMask says it; empty: any.
  std::span<const int32_t> banned;   ///< Never drawn; ids of the vocabulary.
  uint32_t refusals = 0; ///< How many tokens its mask has refused: each draw after one has a random
                         ///< number of its own.
};

struct Sampled {
  int32_t token = 0;
  float logprob = 0; ///< Of the model's own distribution (before bias, penalties and temperature).
};

/// Draws tokens. Holds scratch for one vocabulary, so that drawing allocates nothing; one thread at
/// a time. The result depends on the logits, the parameters, the history and `index` alone.
class Sampler {
public:
  explicit Sampler(uint32_t vocabulary);

  /// Draws token number `index` of a request. `logits` is [vocabulary]: written to meanwhile, and
  /// afterwards what it was. NaN counts as never. `maxima`, of the blocks of the logits
  /// (VocabularyPass.h), spares reading all of them where few matter; empty if nobody has them.
  /// `alternatives` receives params.topLogprobs entries, best first, if not null.
  Sampled sample(std::span<float> logits, const SamplingParams &params, const TokenHistory &history,
                 uint64_t index, std::vector<TokenLogprob> *alternatives = nullptr,
                 const DrawLimits &limits = {}, std::span<const float> maxima = {});

  /// log softmax(logits)[token].
  static float logprob(std::span<const float> logits, int32_t token);

  /// The `count` most likely tokens, best first, ties by lower id. `into` is replaced.
  void topLogprobs(std::span<const float> logits, uint32_t count, std::vector<TokenLogprob> &into);

  struct Candidate {
    float logit;
    int32_t id;
  };
  /// Ties go to the lowest id.
  static bool isBetter(const Candidate &a, const Candidate &b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  }

private:
  /// Logits whose blocks' maxima are at hand: what can matter is looked for in few blocks.
  struct Scan {
    std::span<const float> logits, maxima;
    float max;
  };
  Scan scanOf(std::span<const float> logits, std::span<const float> maxima);
  template <typename Visitor> void forAtLeast(const Scan &scan, float least, Visitor &&visit) const;

  Scan adjust(std::span<float> logits, const SamplingParams &params, const TokenHistory &history,
              const DrawLimits &limits, std::span<const float> maxima);
  template <typename Change> void change(std::span<float> logits, int32_t id, Change &&change);
  void changeBack(std::span<float> logits);

  int32_t first(const Scan &scan) const; ///< Lowest id of the largest logit.
  int32_t draw(const Scan &scan, const SamplingParams &params, uint64_t index, uint32_t attempt);
  int32_t drawFromAll(const Scan &scan, float inverse, double u);
  int32_t drawFromCandidates(const Scan &scan, float inverse, double u) const;
  void weighBlocks(const Scan &scan, float inverse);
  /// Tokens that may be drawn, in order, made some at a time.
  struct Proposals {
    DrawWords &random;
    uint32_t left; ///< That may still be made.
    struct One {
      size_t token;  ///< Beyond the vocabulary: none.
      double chance; ///< It is drawn if its weight's share of its block's largest is above.
    };
    std::array<One, 8> ahead = {};
    uint32_t made = 0, next = 0;
  };
  bool propose(const Scan &scan, Proposals &proposals);
  int32_t drawProposed(const Scan &scan, float inverse, Proposals &proposals);
  int32_t drawByTemperature(const Scan &scan, float inverse, DrawWords &random);
  std::optional<bool> isKept(const Scan &scan, float inverse, float p, int32_t token);
  double shareBefore(const Scan &scan, float inverse, int32_t token) const;
  int32_t drawFromNucleus(const Scan &scan, float inverse, float p, float least, DrawWords &random);
  float atLeastInTopK(const Scan &scan, uint32_t k);
  void keepTopK(const Scan &scan, uint32_t k);
  void cutAtMass(float max, float inverse, double mass);
  void topLogprobs(const Scan &scan, uint32_t count, double logSum,
                   std::vector<TokenLogprob> &into);

  std::vector<float> adjusted;    ///< Logits under a mask.
  std::vector<Candidate> changed; ///< Logits changed in place, as they were, in order of change.
  std::vector<float>
      ownMaxima; ///< Of the blocks of the scan, where nobody gives them or they change.
  std::vector<uint32_t> lowered;     ///< Blocks whose largest logit has become smaller.
  std::vector<float> order;          ///< Maxima, partly sorted, or weights of maxima.
  std::vector<Candidate> candidates; ///< What top-k, top-p and min-p leave.
  std::vector<double> sums;          ///< Of blocks.
  std::vector<double> groupEnds;     ///< Sums of the weights of blocks, up to each group of them.
  std::vector<uint32_t> which;       ///< Blocks that hold likelier tokens.
};

/// Lowest id among the largest values; 0 if all are NaN.
int32_t argmax(std::span<const float> logits);

/// max(logits) and log(sum(exp(logits))), the sum in double in a fixed order.
struct SoftmaxBase {
  float max;
  double logSum; ///< log of the sum of exp(logit - max), plus max.
};
SoftmaxBase softmaxBase(std::span<const float> logits);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_SAMPLER_H
