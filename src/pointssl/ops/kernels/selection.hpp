// Vectors of floats, and the selection of the k smallest values of a row; shared by all kernels.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16;  // one AVX-512 register; the compiler splits it for narrower processors
typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));
typedef double Wide __attribute__((vector_size(8 * LANES)));

inline Vec load(const float* from) {
    Vec v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
inline void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }
inline Wide widen(Vec v) { return __builtin_convertvector(v, Wide); }

// Slots are kept as 16-bit integers to save memory.
inline Ints load_slots(const int16_t* from) {
    Shorts v;
    std::memcpy(&v, from, sizeof v);
    return __builtin_convertvector(v, Ints);
}
inline void store_slots(int16_t* to, Ints slots) {
    const Shorts v = __builtin_convertvector(slots, Shorts);
    std::memcpy(to, &v, sizeof v);
}

// ---------------------------------------------------------------------------------------------------------------------
// Selection

// The k smallest of a row by sorting; NaN counts as infinite.
void select_by_sorting(const float* row, int64_t n, int64_t k, int64_t* out, std::vector<std::pair<float, int64_t>>& room) {
    room.resize(n);
    for (int64_t j = 0; j < n; ++j)
        room[j] = {std::isnan(row[j]) ? std::numeric_limits<float>::infinity() : row[j] + 0.0f, j};
    std::partial_sort(room.begin(), room.begin() + k, room.end());
    for (int64_t s = 0; s < k; ++s) out[s] = room[s].second;
}

// One bit per value: is it below (or equal to) x?
inline uint32_t bits_below(const float* values, float x, bool or_equal) {
#if defined(__AVX512F__)
    const __m512 v = _mm512_loadu_ps(values), bound = _mm512_set1_ps(x);
    return or_equal ? _mm512_cmp_ps_mask(v, bound, _CMP_LE_OQ) : _mm512_cmp_ps_mask(v, bound, _CMP_LT_OQ);
#elif defined(__AVX2__)
    const __m256 bound = _mm256_set1_ps(x), low = _mm256_loadu_ps(values), high = _mm256_loadu_ps(values + 8);
    const __m256 a = or_equal ? _mm256_cmp_ps(low, bound, _CMP_LE_OQ) : _mm256_cmp_ps(low, bound, _CMP_LT_OQ);
    const __m256 b = or_equal ? _mm256_cmp_ps(high, bound, _CMP_LE_OQ) : _mm256_cmp_ps(high, bound, _CMP_LT_OQ);
    return static_cast<uint32_t>(_mm256_movemask_ps(a)) | static_cast<uint32_t>(_mm256_movemask_ps(b)) << 8;
#else
    uint32_t bits = 0;
    for (int l = 0; l < LANES; ++l) bits |= static_cast<uint32_t>(or_equal ? values[l] <= x : values[l] < x) << l;
    return bits;
#endif
}

// How many of the `count` values come before value i in the order (value, position); `count` is a multiple of LANES.
inline int before(const float* values, int count, int i) {
    int rank = 0, j = 0;
    for (; j + LANES <= i; j += LANES) rank += __builtin_popcount(bits_below(values + j, values[i], true));
    const uint32_t earlier = (1u << (i - j)) - 1;
    rank += __builtin_popcount((bits_below(values + j, values[i], true) & earlier) |
                               (bits_below(values + j, values[i], false) & ~earlier));
    for (j += LANES; j < count; j += LANES) rank += __builtin_popcount(bits_below(values + j, values[i], false));
    return rank;
}

// Positions of all values up to `limit`, in order; returns how many, or more than `most` when they do not fit.
inline int survivors(const float* row, int64_t n, float limit, int most, float* values, int32_t* places) {
    int count = 0;
    int64_t j = 0;
#if defined(__AVX512F__)
    const __m512 bound = _mm512_set1_ps(limit);
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; j + LANES <= n; j += LANES) {
        const __m512 v = _mm512_loadu_ps(row + j);
        const __mmask16 in = _mm512_cmp_ps_mask(v, bound, _CMP_LE_OQ);
        _mm512_storeu_ps(values + count, _mm512_maskz_compress_ps(in, v));
        const __m512i at = _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int>(j)));
        _mm512_storeu_si512(places + count, _mm512_maskz_compress_epi32(in, at));
        count += __builtin_popcount(in);
        if (count > most) return count;  // rare; the loop has no other branch, as a wrong guess costs more than the work
    }
#endif
    for (; j + LANES <= n; j += LANES)
        for (uint32_t in = bits_below(row + j, limit, true); in; in &= in - 1) {
            if (count >= most) return most + 1;
            places[count] = static_cast<int32_t>(j + __builtin_ctz(in));
            values[count] = row[places[count]];
            ++count;
        }
    for (; j < n; ++j) {
        if (count >= most) return most + 1;
        values[count] = row[j];
        places[count] = static_cast<int32_t>(j);
        count += row[j] <= limit;
    }
    return count;
}

// The k smallest of a row: the k-th smallest minimum of G · LANES interleaved groups bounds the k-th smallest value from
// above, and few more than k values lie below it. `values` and `places` have room for MOST + 2 · LANES.
constexpr int MOST = 512;

template <int G>
bool select_by_bound(const float* __restrict row, int64_t n, int64_t k, float* __restrict values,
                     int32_t* __restrict places, int64_t* __restrict out) {
    constexpr int groups = G * LANES;
    Vec low[G];
    for (int v = 0; v < G; ++v) low[v] = load(row + v * LANES);
    int64_t j = groups;
    for (; j + groups <= n; j += groups)
        for (int v = 0; v < G; ++v) {
            const Vec x = load(row + j + v * LANES);
            low[v] = x < low[v] ? x : low[v];
        }
    float minima[groups];
    for (int v = 0; v < G; ++v) store(minima + v * LANES, low[v]);
    float limit = std::numeric_limits<float>::infinity();
    for (int g = 0; g < groups; ++g) {
        const float mine = minima[g];
        int count = 0;
        for (int h = 0; h < groups; h += LANES) count += __builtin_popcount(bits_below(minima + h, mine, true));
        limit = std::min(limit, count >= k ? mine : std::numeric_limits<float>::infinity());
    }
    const int count = survivors(row, n, limit, MOST, values, places);
    if (count < k || count > MOST) return false;  // NaN in the row, or many ties
    const int padded = (count + LANES - 1) / LANES * LANES;
    std::fill(values + count, values + padded, std::numeric_limits<float>::infinity());
    int64_t sorted[MOST];
    for (int s = 0; s < count; ++s) sorted[before(values, padded, s)] = places[s];
    std::copy(sorted, sorted + k, out);
    return true;
}

// The positions of the k smallest of a row, smallest first, ties by position.
struct Selection {
    std::vector<std::pair<float, int64_t>> room;
    float values[MOST + 2 * LANES];
    int32_t places[MOST + 2 * LANES];

    void operator()(const float* row, int64_t n, int64_t k, int64_t* to) {
        bool done = false;
        // Half as many groups again as values wanted, and at least eight values in each group.
        if (k <= 21 && n >= 256) done = select_by_bound<2>(row, n, k, values, places, to);
        else if (k <= 43 && n >= 512) done = select_by_bound<4>(row, n, k, values, places, to);
        else if (k <= 86 && n >= 1024) done = select_by_bound<8>(row, n, k, values, places, to);
        if (!done) select_by_sorting(row, n, k, to, room);
    }
};

}  // namespace
