// Compiled kernels for processors: selection of neighbours, edge convolution, batch norm, and the max over points.
//
// Every function has an equal in plain torch, which is its oracle and its fall-back. Arrays are float32 and row-major; b
// clouds, n points, k neighbours, e channels. Work is split over clouds and blocks of channels, so that no two threads
// write to one place and the result does not depend on their number.

#include <cstdlib>

#include "selection.hpp"

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Edge convolution on one block of V vectors of channels of one cloud

struct Edges {
    const float* uv;  // (b, n, 2e): u in the first half of each row, v in the second
    const int64_t* index;
    int64_t b, n, k, e;
};

constexpr int SUMS = 6;  // per channel: Σ total, Σ v·total, Σ v, Σ v², Σ deg u, Σ deg u²

// `room` holds the block's u of the cloud, row after row: read in place, the rows of a wide tensor fall on few sets of the
// cache and drive each other out.
template <int V>
void gather_block(const Edges& g, int64_t cloud, int64_t channel, const float* degree, float* peak, int16_t* slot,
                  float* total, double* sums, Vec* room) {
    const int64_t width = 2 * g.e;
    const float* u = g.uv + cloud * g.n * width + channel;
    for (int64_t j = 0; j < g.n; ++j)
        for (int v = 0; v < V; ++v) room[j * V + v] = load(u + j * width + v * LANES);
    Wide sum[SUMS][V] = {};
    for (int64_t i = 0; i < g.n; ++i) {
        const int64_t* near = g.index + (cloud * g.n + i) * g.k;
        Vec best[V], added[V];
        Ints where[V];
        for (int v = 0; v < V; ++v) {
            best[v] = added[v] = room[near[0] * V + v];
            where[v] = Ints{};
        }
        for (int64_t s = 1; s < g.k; ++s) {
            const Vec* row = room + near[s] * V;
            for (int v = 0; v < V; ++v) {
                const Vec x = row[v];
                const Ints more = x > best[v];
                best[v] = more ? x : best[v];
                where[v] = more ? (Ints{} + static_cast<int32_t>(s)) : where[v];
                added[v] += x;
            }
        }
        const int64_t at = (cloud * g.n + i) * g.e + channel;
        for (int v = 0; v < V; ++v) {
            store(peak + at + v * LANES, best[v]);
            store_slots(slot + at + v * LANES, where[v]);
        }
        if (!total) continue;
        const double incoming = degree[cloud * g.n + i];
        for (int v = 0; v < V; ++v) {
            store(total + at + v * LANES, added[v]);
            const Wide t = widen(added[v]), x = widen(room[i * V + v]);
            const Wide y = widen(load(u + i * width + g.e + v * LANES));
            sum[0][v] += t;
            sum[1][v] += y * t;
            sum[2][v] += y;
            sum[3][v] += y * y;
            sum[4][v] += incoming * x;
            sum[5][v] += incoming * x * x;
        }
    }
    if (!total) return;
    for (int q = 0; q < SUMS; ++q)
        std::memcpy(sums + (cloud * SUMS + q) * g.e + channel, sum[q], sizeof sum[q]);
}

// What the statistics send to every edge is -(constant + linear · (u_j + v_i - mean)); without `total` nothing.
struct Back {
    const float *degree, *grad, *peak;
    const int16_t* slot;
    const float *total, *mean, *scale, *shift, *constant, *linear;
    float slope;
    float* out;
};

template <int V>
void scatter_block(const Edges& g, const Back& p, int64_t cloud, int64_t channel, Vec* room) {
    const int64_t width = 2 * g.e;
    const float* u = g.uv + cloud * g.n * width + channel;
    float* out = p.out + cloud * g.n * width + channel;
    std::fill(room, room + g.n * V, Vec{});
    for (int64_t i = 0; i < g.n; ++i) {
        const int64_t* near = g.index + (cloud * g.n + i) * g.k;
        const int64_t at = (cloud * g.n + i) * g.e + channel;
        Vec hit[V], each[V] = {};
        Ints where[V];
        for (int v = 0; v < V; ++v) {
            const int64_t c = channel + v * LANES;
            const Vec scale = load(p.scale + c), linear = load(p.linear + c);
            const Vec z = load(p.peak + at + v * LANES) * scale + load(p.shift + c);
            const Vec d = load(p.grad + at + v * LANES);
            hit[v] = scale * (z > 0.0f ? d : p.slope * d);
            where[v] = load_slots(p.slot + at + v * LANES);
            Vec dv = hit[v];
            if (p.total) {
                each[v] = -load(p.constant + c) - linear * (load(u + i * width + g.e + v * LANES) - load(p.mean + c));
                dv += static_cast<float>(g.k) * each[v] - linear * load(p.total + at + v * LANES);
            }
            store(out + i * width + g.e + v * LANES, dv);
        }
        if (p.total) {
            for (int64_t s = 0; s < g.k; ++s) {
                Vec* row = room + near[s] * V;
                for (int v = 0; v < V; ++v) {
                    const Ints chosen = where[v] == static_cast<int32_t>(s);
                    row[v] += each[v] + (chosen ? hit[v] : Vec{});
                }
            }
        } else {
            for (int v = 0; v < V; ++v)
                for (int l = 0; l < LANES; ++l) room[near[where[v][l]] * V + v][l] += hit[v][l];
        }
    }
    for (int64_t j = 0; j < g.n; ++j)
        for (int v = 0; v < V; ++v) {
            Vec du = room[j * V + v];
            if (p.total)
                du -= p.degree[cloud * g.n + j] * load(p.linear + channel + v * LANES) * load(u + j * width + v * LANES);
            store(out + j * width + v * LANES, du);
        }
}

// Runs `body` on (cloud, first channel, vectors, room for n rows of them) for all clouds and blocks of channels. A block
// has at most four vectors, fewer where the rows of a cloud would not fit into half a megabyte of cache.
template <typename Body>
void for_blocks(const Edges& g, int threads, Body body) {
    const int64_t vectors = g.e / LANES;
    const int64_t most = std::clamp<int64_t>((1 << 19) / (g.n * static_cast<int64_t>(sizeof(Vec))), 1, 4);
    const int64_t blocks = (vectors + most - 1) / most;
#pragma omp parallel num_threads(threads)
    {
        Vec* room = static_cast<Vec*>(std::aligned_alloc(sizeof(Vec), g.n * most * sizeof(Vec)));
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < g.b * blocks; ++task) {
            const int64_t first = task % blocks * most;
            body(task / blocks, first * LANES, std::min(most, vectors - first), room);
        }
        std::free(room);
    }
}

}  // namespace

extern "C" {

// out (rows, k): positions of the k smallest of each row of rank (rows, n), ties by position.
void pointssl_smallest(const float* rank, int64_t rows, int64_t n, int64_t k, int64_t* out, int32_t threads) {
#pragma omp parallel num_threads(threads)
    {
        Selection select;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < rows; ++r) select(rank + r * n, n, k, out + r * k);
    }
}

// degree (b, n): in how many neighbourhoods each point lies.
void pointssl_edge_degree(const int64_t* index, int64_t b, int64_t n, int64_t k, float* degree, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t cloud = 0; cloud < b; ++cloud) {
        std::fill(degree + cloud * n, degree + (cloud + 1) * n, 0.0f);
        for (int64_t i = 0; i < n * k; ++i) degree[cloud * n + index[cloud * n * k + i]] += 1.0f;
    }
}

// peak, slot, total (b, n, e) of the neighbours' u; sums (b, 6, e). Without total (evaluation) no sums either.
// e is a multiple of 16.
void pointssl_edge_gather(const float* uv, const int64_t* index, int64_t b, int64_t n, int64_t k, int64_t e,
                          const float* degree, float* peak, int16_t* slot, float* total, double* sums, int32_t threads) {
    const Edges g{uv, index, b, n, k, e};
    for_blocks(g, threads, [&](int64_t cloud, int64_t channel, int64_t vectors, Vec* room) {
        switch (vectors) {
            case 1: return gather_block<1>(g, cloud, channel, degree, peak, slot, total, sums, room);
            case 2: return gather_block<2>(g, cloud, channel, degree, peak, slot, total, sums, room);
            case 3: return gather_block<3>(g, cloud, channel, degree, peak, slot, total, sums, room);
            default: return gather_block<4>(g, cloud, channel, degree, peak, slot, total, sums, room);
        }
    });
}

// In place peak += v - mean; out = leaky_relu(peak * scale + shift).
void pointssl_edge_finish(const float* uv, int64_t points, int64_t e, const float* mean, const float* scale,
                          const float* shift, float slope, float* peak, float* out, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < points; ++i)
        for (int64_t c = 0; c < e; ++c) {
            const float y = peak[i * e + c] + (uv[i * 2 * e + e + c] - mean[c]);
            const float z = y * scale[c] + shift[c];
            peak[i * e + c] = y;
            out[i * e + c] = z > 0.0f ? z : slope * z;
        }
}

// sums (chunks, 2, e): Σ x and Σ x² of each chunk of the points.
void pointssl_norm_moments(const float* x, int64_t points, int64_t e, int64_t chunks, double* sums, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        double* __restrict mine = sums + chunk * 2 * e;
        std::fill(mine, mine + 2 * e, 0.0);
        for (int64_t i = points * chunk / chunks; i < points * (chunk + 1) / chunks; ++i)
            for (int64_t c = 0; c < e; ++c) {
                const double v = x[i * e + c];
                mine[c] += v;
                mine[e + c] += v * v;
            }
    }
}

// out = leaky_relu((x - mean) * scale + shift).
void pointssl_norm_activate(const float* __restrict x, int64_t points, int64_t e, const float* mean, const float* scale,
                            const float* shift, float slope, float* __restrict out, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < points; ++i)
        for (int64_t c = 0; c < e; ++c) {
            const float z = (x[i * e + c] - mean[c]) * scale[c] + shift[c];
            out[i * e + c] = z > 0.0f ? z : slope * z;
        }
}

// sums (chunks, 2, e): Σ g and Σ g · (x - mean), where g is the gradient before the activation.
void pointssl_norm_sums(const float* grad, const float* x, int64_t points, int64_t e, const float* mean,
                        const float* scale, const float* shift, float slope, int64_t chunks, double* sums,
                        int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        double* __restrict mine = sums + chunk * 2 * e;
        std::fill(mine, mine + 2 * e, 0.0);
        for (int64_t i = points * chunk / chunks; i < points * (chunk + 1) / chunks; ++i)
            for (int64_t c = 0; c < e; ++c) {
                const float y = x[i * e + c] - mean[c], d = grad[i * e + c];
                const float g = y * scale[c] + shift[c] > 0.0f ? d : slope * d;
                mine[c] += g;
                mine[e + c] += static_cast<double>(g) * y;
            }
    }
}

// dx = scale · g - constant - linear · (x - mean).
void pointssl_norm_back(const float* __restrict grad, const float* __restrict x, int64_t points, int64_t e,
                        const float* mean, const float* scale, const float* shift, const float* constant,
                        const float* linear, float slope, float* __restrict dx, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < points; ++i)
        for (int64_t c = 0; c < e; ++c) {
            const float y = x[i * e + c] - mean[c], d = grad[i * e + c];
            const float g = y * scale[c] + shift[c] > 0.0f ? d : slope * d;
            dx[i * e + c] = scale[c] * g - constant[c] - linear[c] * y;
        }
}

// Gradient of uv (b, n, 2e), into out. constant and linear carry what the statistics send back; total is null when they
// are frozen.
void pointssl_edge_scatter(const float* uv, const int64_t* index, int64_t b, int64_t n, int64_t k, int64_t e,
                           const float* degree, const float* grad, const float* peak, const int16_t* slot,
                           const float* total, const float* mean, const float* scale, const float* shift,
                           const float* constant, const float* linear, float slope, float* out, int32_t threads) {
    const Edges g{uv, index, b, n, k, e};
    const Back p{degree, grad, peak, slot, total, mean, scale, shift, constant, linear, slope, out};
    for_blocks(g, threads, [&](int64_t cloud, int64_t channel, int64_t vectors, Vec* room) {
        switch (vectors) {
            case 1: return scatter_block<1>(g, p, cloud, channel, room);
            case 2: return scatter_block<2>(g, p, cloud, channel, room);
            case 3: return scatter_block<3>(g, p, cloud, channel, room);
            default: return scatter_block<4>(g, p, cloud, channel, room);
        }
    });
}

// Running max and its place over the rows of y (rows, e), the first of which is point `start`; a tie keeps the earlier.
void pointssl_max_rows(const float* y, int64_t rows, int64_t e, int64_t start, float* best, int64_t* place,
                       int32_t threads) {
    const int64_t blocks = (e + 63) / 64;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = block * 64, count = std::min<int64_t>(64, e - first);
        float top[64];
        int32_t at[64];
        for (int64_t c = 0; c < count; ++c) {
            top[c] = start ? best[first + c] : -std::numeric_limits<float>::infinity();
            at[c] = start ? static_cast<int32_t>(place[first + c]) : 0;
        }
        for (int64_t i = 0; i < rows; ++i) {
            const float* row = y + i * e + first;
            const int32_t here = static_cast<int32_t>(start + i);
            for (int64_t c = 0; c < count; ++c) {
                const bool more = row[c] > top[c];
                top[c] = more ? row[c] : top[c];
                at[c] = more ? here : at[c];
            }
        }
        for (int64_t c = 0; c < count; ++c) {
            best[first + c] = top[c];
            place[first + c] = at[c];
        }
    }
}

// dx (b, n, d) += coefficient (b, e) times row c of weight (e, d), at the point that gave channel c its max.
void pointssl_scatter_rows(const float* coefficient, const int64_t* place, const float* weight, int64_t b, int64_t n,
                           int64_t e, int64_t d, float* dx, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t cloud = 0; cloud < b; ++cloud)
        for (int64_t c = 0; c < e; ++c) {
            const float a = coefficient[cloud * e + c];
            float* to = dx + (cloud * n + place[cloud * e + c]) * d;
            for (int64_t i = 0; i < d; ++i) to[i] += a * weight[c * d + i];
        }
}

// dw (e, d) += Σ over clouds of coefficient (b, e) times the point of x (b, n, d) that gave channel c its max.
void pointssl_gather_rows(const float* coefficient, const int64_t* place, const float* x, int64_t b, int64_t n, int64_t e,
                          int64_t d, float* dw, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t c = 0; c < e; ++c)
        for (int64_t cloud = 0; cloud < b; ++cloud) {
            const float a = coefficient[cloud * e + c];
            const float* from = x + (cloud * n + place[cloud * e + c]) * d;
            for (int64_t i = 0; i < d; ++i) dw[c * d + i] += a * from[i];
        }
}

}  // extern "C"
