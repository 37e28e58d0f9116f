// Compiled kernels of neighbourhoods around chosen points: farthest point sampling, balls, and rows gathered by place.
//
// Compiled without fused multiply-add: distances then have the roundings of plain torch, which is the oracle and the
// fall-back, and both choose the same points. Arrays are float32 and row-major; b clouds, n points, m centres.

#include <numeric>

#include "selection.hpp"

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Farthest point sampling

constexpr int64_t FLAT = 4096;  // up to this many points one bucket is faster than many
constexpr int64_t LEAF = 512;   // most points of a bucket of a larger cloud

struct Bucket {
    int64_t first, vectors;
    float low[3], high[3];
    float best;     // the largest distance in the bucket
    int32_t place;  // of the point that has it
};

// Points are held bucket after bucket, coordinates apart, each bucket filled up to whole vectors.
struct Cloud {
    std::vector<Bucket> buckets;
    std::vector<float> x, y, z, distance;
    std::vector<int32_t> place;

    void add(const float* xyz, int32_t* from, int32_t* to) {
        std::sort(from, to);  // of equally far points of a bucket the one with the lowest place is met first
        Bucket made{static_cast<int64_t>(x.size()), 0, {}, {}, std::numeric_limits<float>::infinity(), *from};
        std::fill(made.low, made.low + 3, std::numeric_limits<float>::infinity());
        std::fill(made.high, made.high + 3, -std::numeric_limits<float>::infinity());
        for (int32_t* at = from; at < to; ++at) {
            const float* point = xyz + 3 * static_cast<int64_t>(*at);
            for (int axis = 0; axis < 3; ++axis) {
                made.low[axis] = std::min(made.low[axis], point[axis]);
                made.high[axis] = std::max(made.high[axis], point[axis]);
            }
            push(point[0], point[1], point[2], std::numeric_limits<float>::infinity(), *at);
        }
        while (x.size() % LANES) push(0, 0, 0, -1, *from);  // never farther than anything
        made.vectors = (static_cast<int64_t>(x.size()) - made.first) / LANES;
        buckets.push_back(made);
    }

    void push(float a, float b, float c, float d, int32_t at) {
        x.push_back(a), y.push_back(b), z.push_back(c), distance.push_back(d), place.push_back(at);
    }

    void split(const float* xyz, int32_t* from, int32_t* to, int64_t leaf) {
        if (to - from <= leaf) return add(xyz, from, to);
        float low[3], high[3];
        std::copy(xyz + 3 * static_cast<int64_t>(*from), xyz + 3 * static_cast<int64_t>(*from) + 3, low);
        std::copy(low, low + 3, high);
        for (int32_t* at = from; at < to; ++at)
            for (int axis = 0; axis < 3; ++axis) {
                low[axis] = std::min(low[axis], xyz[3 * static_cast<int64_t>(*at) + axis]);
                high[axis] = std::max(high[axis], xyz[3 * static_cast<int64_t>(*at) + axis]);
            }
        int wide = 0;
        for (int axis = 1; axis < 3; ++axis)
            if (high[axis] - low[axis] > high[wide] - low[wide]) wide = axis;
        int32_t* middle = from + (to - from) / 2;
        std::nth_element(from, middle, to, [&](int32_t i, int32_t j) {
            return xyz[3 * static_cast<int64_t>(i) + wide] < xyz[3 * static_cast<int64_t>(j) + wide];
        });
        split(xyz, from, middle, leaf);
        split(xyz, middle, to, leaf);
    }

    // The distances of a bucket's points now that `point` is chosen.
    void update(Bucket& bucket, const float* point) {
        Vec best = Vec{} - 2.0f;
        Ints at{}, here;
        for (int l = 0; l < LANES; ++l) here[l] = static_cast<int32_t>(bucket.first) + l;
        const Vec a = Vec{} + point[0], b = Vec{} + point[1], c = Vec{} + point[2];
        for (int64_t v = 0, i = bucket.first; v < bucket.vectors; ++v, i += LANES, here += LANES) {
            const Vec dx = load(&x[i]) - a, dy = load(&y[i]) - b, dz = load(&z[i]) - c;
            const Vec far = dx * dx + dy * dy + dz * dz, old = load(&distance[i]);
            const Vec now = far < old ? far : old;
            store(&distance[i], now);
            at = now > best ? here : at;
            best = now > best ? now : best;
        }
        int top = 0;
        for (int l = 1; l < LANES; ++l)
            if (best[l] > best[top] || (best[l] == best[top] && at[l] < at[top])) top = l;
        bucket.best = best[top];
        bucket.place = place[at[top]];
    }

    // No point of the bucket is nearer to `point` than this; roundings included, as each of them keeps the order.
    static float bound(const Bucket& bucket, const float* point) {
        float square[3];
        for (int axis = 0; axis < 3; ++axis) {
            const float gap = std::max({bucket.low[axis] - point[axis], point[axis] - bucket.high[axis], 0.0f});
            square[axis] = gap * gap;
        }
        return square[0] + square[1] + square[2];
    }
};

void farthest(const float* xyz, int64_t n, int64_t count, int64_t start, int64_t* chosen) {
    Cloud cloud;
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    cloud.split(xyz, order.data(), order.data() + n, n <= FLAT ? n : LEAF);
    chosen[0] = start;
    for (int64_t step = 1; step < count; ++step) {
        const float* point = xyz + 3 * chosen[step - 1];
        const Bucket* top = nullptr;
        for (Bucket& bucket : cloud.buckets) {
            if (Cloud::bound(bucket, point) < bucket.best) cloud.update(bucket, point);
            if (!top || bucket.best > top->best || (bucket.best == top->best && bucket.place < top->place)) top = &bucket;
        }
        chosen[step] = top->place;
    }
}

}  // namespace

extern "C" {

// chosen (b, m): from `start` on, each the farthest point from all before it, of equally far ones the first.
void pointssl_farthest(const float* xyz, const int64_t* start, int64_t b, int64_t n, int64_t m, int64_t* chosen,
                       int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t cloud = 0; cloud < b; ++cloud)
        farthest(xyz + cloud * n * 3, n, m, start[cloud], chosen + cloud * m);
}

// out (b, m, k): the k nearest points of each centre, nearest first, ties by place; those whose squared distance is more
// than `square` are replaced by the nearest.
void pointssl_ball(const float* xyz, const float* centre, int64_t b, int64_t n, int64_t m, int64_t k, float square,
                   int64_t* out, int32_t threads) {
#pragma omp parallel num_threads(threads)
    {
        Selection select;
        std::vector<float> room(4 * n);
        float *x = room.data(), *y = x + n, *z = y + n, *distance = z + n;
#pragma omp for schedule(dynamic)
        for (int64_t cloud = 0; cloud < b; ++cloud) {
            for (int64_t i = 0; i < n; ++i) {
                const float* point = xyz + (cloud * n + i) * 3;
                x[i] = point[0], y[i] = point[1], z[i] = point[2];
            }
            for (int64_t c = cloud * m; c < (cloud + 1) * m; ++c) {
                const float *at = centre + c * 3;
                const float a = at[0], s = at[1], t = at[2];
                for (int64_t i = 0; i < n; ++i) {
                    const float dx = x[i] - a, dy = y[i] - s, dz = z[i] - t;
                    distance[i] = dx * dx + dy * dy + dz * dz;
                }
                int64_t* to = out + c * k;
                select(distance, n, k, to);
                for (int64_t s = 1; s < k; ++s)
                    if (distance[to[s]] > square) to[s] = to[0];
            }
        }
    }
}

// out (b, rows, d): row index[cloud, r] of x (b, n, d).
void pointssl_group(const float* x, const int64_t* index, int64_t b, int64_t n, int64_t rows, int64_t d, float* out,
                    int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t cloud = 0; cloud < b; ++cloud)
        for (int64_t r = cloud * rows; r < (cloud + 1) * rows; ++r)
            for (int64_t c = 0; c < d; ++c) out[r * d + c] = x[(cloud * n + index[r]) * d + c];
}

// out (b, n, d): the sum of the rows of grad (b, rows, d) that were taken from each row; out is zero at first.
void pointssl_ungroup(const float* grad, const int64_t* index, int64_t b, int64_t n, int64_t rows, int64_t d, float* out,
                      int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t cloud = 0; cloud < b; ++cloud)
        for (int64_t r = cloud * rows; r < (cloud + 1) * rows; ++r) {
            float* __restrict to = out + (cloud * n + index[r]) * d;
            const float* __restrict from = grad + r * d;
            for (int64_t c = 0; c < d; ++c) to[c] += from[c];
        }
}

}  // extern "C"
