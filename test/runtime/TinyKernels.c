/* Kernels of a toy model for tests of the loader and the executor: the next token is the sum of all
 * tokens so far, modulo the vocabulary, and every token travels through the KV pool. Plain C behind
 * the interface of runtime/device/cpu/KernelAbi.h. */
#include <stdint.h>

enum { kVocabulary = 32, kBlockTokens = 16 };

struct Tile {
  uint32_t firstRow, rowCount;
};

struct Step {
  uint32_t numTokens, numSequences, numLogitRows, blockTableStride, numAttentionTiles, logitStride;
  const int32_t *tokenIds, *positions, *rowSequence, *blockTables, *logitRows;
  const struct Tile *tiles;
  uint32_t firstLogit, poolHeads, skippedKeys, skippedValues;
};

static uint32_t share(uint32_t items, uint32_t worker, uint32_t workers) {
  return (uint32_t)((uint64_t)items * worker / workers);
}

/* buffers: out [T] f32 as [T, 16], table */
void tiny_embed(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  float *out = buffers[0];
  (void)scratch;
  for (uint32_t i = share(s->numTokens, w, n); i < share(s->numTokens, w + 1, n); ++i)
    out[16 * i] = (float)s->tokenIds[i];
}

/* buffers: in, Wq, Wk, Wv, qOut, kPool, vPool, rope. One head of size 1: the pool holds u16 tokens. */
void tiny_qkv(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  const float *in = buffers[0];
  float *q = buffers[4];
  uint16_t *k = buffers[5], *v = buffers[6];
  (void)scratch;
  for (uint32_t i = share(s->numTokens, w, n); i < share(s->numTokens, w + 1, n); ++i) {
    const uint32_t p = (uint32_t)s->positions[i];
    const int32_t *table = s->blockTables + (uint64_t)s->rowSequence[i] * s->blockTableStride;
    const uint64_t at = (uint64_t)table[p / kBlockTokens] * kBlockTokens + p % kBlockTokens;
    if (s->skippedKeys == 0)
      k[at] = (uint16_t)in[16 * i];
    if (s->skippedValues == 0)
      v[at] = 1;
    q[16 * i] = 1;
  }
}

/* buffers: q, kPool, vPool, out. Partitioned by tile. */
void tiny_attention(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  const uint16_t *k = buffers[1], *v = buffers[2];
  float *out = buffers[3];
  ((volatile char *)scratch)[0] = 1;
  for (uint32_t t = share(s->numAttentionTiles, w, n); t < share(s->numAttentionTiles, w + 1, n); ++t)
    for (uint32_t i = s->tiles[t].firstRow; i < s->tiles[t].firstRow + s->tiles[t].rowCount; ++i) {
      const int32_t *table = s->blockTables + (uint64_t)s->rowSequence[i] * s->blockTableStride;
      uint32_t sum = 0;
      for (uint32_t p = 0; p <= (uint32_t)s->positions[i]; ++p) {
        const uint64_t at = (uint64_t)table[p / kBlockTokens] * kBlockTokens + p % kBlockTokens;
        sum += (uint32_t)k[at] * v[at];
      }
      out[16 * i] = (float)(sum % kVocabulary);
    }
}

/* buffers: in, W, out [S, vocabulary] */
void tiny_logits(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  const float *in = buffers[0];
  float *out = buffers[2];
  (void)scratch;
  for (uint32_t r = share(s->numLogitRows, w, n); r < share(s->numLogitRows, w + 1, n); ++r) {
    const float wanted = in[16 * s->logitRows[r]];
    for (uint32_t c = 0; c < kVocabulary; ++c)
      out[r * kVocabulary + c] = (float)c == wanted ? 4.0f : (float)c * 0.01f;
  }
}

/* Half of the vocabulary, as rows of its own or as columns of whole ones. */
static void half(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, uint32_t first) {
  const float *in = buffers[0];
  float *out = buffers[2];
  const uint32_t stride = s->logitStride ? s->logitStride : kVocabulary / 2;
  for (uint32_t r = share(s->numLogitRows, w, n); r < share(s->numLogitRows, w + 1, n); ++r) {
    const float wanted = in[16 * s->logitRows[r]];
    for (uint32_t c = 0; c < kVocabulary / 2; ++c)
      out[r * stride + c] = (float)(first + c) == wanted ? 4.0f : (float)(first + c) * 0.01f;
  }
}

void tiny_low_logits(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  (void)scratch;
  half(buffers, s, w, n, 0);
}

void tiny_high_logits(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  (void)scratch;
  half(buffers, s, w, n, kVocabulary / 2);
}

/* As tiny_logits, and behind the rows [S, 1] the largest of each. */
void tiny_logits_and_maxima(void *const *buffers, const struct Step *s, uint32_t w, uint32_t n, void *scratch) {
  float *out = buffers[2], *maxima = out + s->numLogitRows * kVocabulary;
  tiny_logits(buffers, s, w, n, scratch);
  for (uint32_t r = share(s->numLogitRows, w, n); r < share(s->numLogitRows, w + 1, n); ++r) {
    maxima[r] = out[r * kVocabulary];
    for (uint32_t c = 1; c < kVocabulary; ++c)
      maxima[r] = out[r * kVocabulary + c] > maxima[r] ? out[r * kVocabulary + c] : maxima[r];
  }
}
