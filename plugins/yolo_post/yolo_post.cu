// The same on a GPU, in two kernels: a thread a cell decodes; then a block a picture sorts the cells by score (a
// bitonic sort in global memory, which the L2 cache holds) and suppresses greedily. Reading the scores, 2.7 MB a
// picture of 80 classes and 8400 cells, is the floor of the first; barriers are the time of the second: 105 of the sort
// and one a kept box. Compiled without fused multiply-adds, so that boxes are those of the CPU to the bit.
#include <cuda_runtime.h>

#include "plugins/yolo_post/yolo_post.h"

namespace yolo_post {
namespace {

constexpr int kThreads = 1024;
constexpr std::uint64_t kNone = ~std::uint64_t{0};  // behind all keys of boxes

/// Memory of all pictures.
struct Scratch {
  Box* boxes;                // [batch, cells]
  std::uint64_t* keys;       // [batch, slots]
  std::int32_t* classes;     // [batch, cells]
  std::uint8_t* suppressed;  // [batch, slots]
};

/// Cells rounded up to a power of two, as the sort needs it.
std::int64_t slots_of(std::int64_t cells) {
  std::int64_t slots = 1;
  while (slots < cells) slots *= 2;
  return slots;
}

/// Greater scores and earlier cells have smaller keys.
__device__ std::uint64_t key_of(float score, std::uint32_t cell) {
  const std::uint32_t bits = __float_as_uint(score);
  const std::uint32_t rising = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(~rising) << 32 | cell;
}

__global__ void decode(const float* x, Sizes s, std::int64_t slots, float threshold, Scratch scratch) {
  const std::int64_t picture = blockIdx.y, n = s.cells;
  x += picture * (4 + s.classes) * n;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= slots) return;
  std::uint64_t key = kNone;
  if (i < n) {
    float best = x[4 * n + i];
    std::int32_t which = 0;
    for (std::int64_t c = 1; c < s.classes; ++c) {
      const float score = x[(4 + c) * n + i];
      if (score > best) best = score, which = static_cast<std::int32_t>(c);
    }
    const Box b = from_centre(x[i], x[n + i], x[2 * n + i], x[3 * n + i]);
    if (best > threshold && isfinite(best) && isfinite(b.x1) && isfinite(b.y1) && isfinite(b.x2) && isfinite(b.y2))
      key = key_of(best, static_cast<std::uint32_t>(i));
    scratch.boxes[picture * n + i] = b;
    scratch.classes[picture * n + i] = which;
  }
  scratch.keys[picture * slots + i] = key;
  scratch.suppressed[picture * slots + i] = 0;
}

/// Sorts keys [slots], rising, by all threads of the block.
__device__ void sort(std::uint64_t* keys, std::int64_t slots) {
  for (std::int64_t run = 2; run <= slots; run *= 2)
    for (std::int64_t step = run / 2; step > 0; step /= 2) {
      __syncthreads();
      for (std::int64_t i = threadIdx.x; i < slots; i += kThreads) {
        const std::int64_t other = i ^ step;
        if (other <= i) continue;
        const std::uint64_t a = keys[i], b = keys[other];
        if ((a > b) == ((i & run) == 0)) keys[i] = b, keys[other] = a;
      }
    }
  __syncthreads();
}

struct Outputs {
  Box* boxes;
  float* scores;
  std::int32_t *classes, *counts;
};

__global__ void suppress(const float* x, Sizes s, std::int64_t slots, std::int64_t most, float threshold,
                         Scratch scratch, Outputs out) {
  const std::int64_t picture = blockIdx.x, n = s.cells, first = picture * s.detections;
  std::uint64_t* keys = scratch.keys + picture * slots;
  std::uint8_t* suppressed = scratch.suppressed + picture * slots;
  const Box* boxes = scratch.boxes + picture * n;
  const std::int32_t* classes = scratch.classes + picture * n;
  sort(keys, slots);
  std::int64_t kept = 0;
  // All threads walk alike: what they read at i was written before the last barrier, and is written no more.
  for (std::int64_t i = 0; i < most && keys[i] != kNone && kept < s.detections; ++i) {
    if (suppressed[i] != 0) continue;
    const auto cell = static_cast<std::uint32_t>(keys[i]);
    const Box box = boxes[cell];
    const std::int32_t class_id = classes[cell];
    if (threadIdx.x == 0) {
      out.boxes[first + kept] = box;
      out.scores[first + kept] = x[(picture * (4 + s.classes) + 4 + class_id) * n + cell];
      out.classes[first + kept] = class_id;
    }
    for (std::int64_t k = i + 1 + threadIdx.x; k < most && keys[k] != kNone; k += kThreads) {
      const auto rival = static_cast<std::uint32_t>(keys[k]);
      if (classes[rival] == class_id && overlap(box, boxes[rival]) > threshold) suppressed[k] = 1;
    }
    ++kept;
    __syncthreads();
  }
  for (std::int64_t k = kept + threadIdx.x; k < s.detections; k += kThreads) {
    out.boxes[first + k] = {};
    out.scores[first + k] = 0;
    out.classes[first + k] = 0;
  }
  if (threadIdx.x == 0) out.counts[picture] = static_cast<std::int32_t>(kept);
}

}  // namespace

std::int64_t workspace_cuda(const Sizes& s) {
  return s.batch * (s.cells * static_cast<std::int64_t>(sizeof(Box) + sizeof(std::int32_t)) +
                    slots_of(s.cells) * static_cast<std::int64_t>(sizeof(std::uint64_t) + 1));
}

const char* run_cuda(const monza_plugin_call* call) {
  const Sizes s = sizes_of(*call);
  const Params& p = *static_cast<const Params*>(call->params);
  const auto stream = static_cast<cudaStream_t>(call->stream);
  if (s.batch == 0) return nullptr;
  if (s.batch > 65535) return "a batch of more than 65535 pictures";
  const std::int64_t slots = slots_of(s.cells);
  Scratch scratch;
  scratch.boxes = static_cast<Box*>(call->workspace);
  scratch.keys = reinterpret_cast<std::uint64_t*>(scratch.boxes + s.batch * s.cells);
  scratch.classes = reinterpret_cast<std::int32_t*>(scratch.keys + s.batch * slots);
  scratch.suppressed = reinterpret_cast<std::uint8_t*>(scratch.classes + s.batch * s.cells);
  const auto* x = static_cast<const float*>(call->inputs[0].data);
  const Outputs out = {static_cast<Box*>(call->outputs[0].data), static_cast<float*>(call->outputs[1].data),
                       static_cast<std::int32_t*>(call->outputs[2].data),
                       static_cast<std::int32_t*>(call->outputs[3].data)};
  constexpr int kDecoders = 256;
  const dim3 grid(static_cast<unsigned>((slots + kDecoders - 1) / kDecoders), static_cast<unsigned>(s.batch));
  decode<<<grid, kDecoders, 0, stream>>>(x, s, slots, p.score_threshold, scratch);
  const std::int64_t most = slots < p.max_candidates ? slots : p.max_candidates;
  suppress<<<static_cast<unsigned>(s.batch), kThreads, 0, stream>>>(x, s, slots, most, p.iou_threshold, scratch, out);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace yolo_post
