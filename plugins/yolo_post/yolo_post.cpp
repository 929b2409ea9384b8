// The operator, and its code for CPUs: a picture of the batch is a task.
#include "plugins/yolo_post/yolo_post.h"

#include <algorithm>
#include <cmath>

namespace yolo_post {
namespace {

const char* infer(const monza_plugin_host* host, monza_plugin_node* node) {
  if (host->input_dtype(node, 0) != MONZA_F32) return "the head's output must be f32";
  if (host->input_rank(node, 0) != 3) return "the head's output must be [batch, 4 + classes, cells]";
  std::int64_t rows = 5;
  if (host->known(node, host->input_extent(node, 0, 1), &rows) == 0) return "the number of classes must be known";
  if (rows < 5) return "the head's output has no classes: its second axis is 4 + classes";
  const std::int64_t most = host->integer(node, "max_detections");
  if (most < 1 || most > 1 << 20) return "max_detections must lie in 1 to 1048576";
  const monza_plugin_extent shape[] = {host->input_extent(node, 0, 0), host->constant(node, most),
                                       host->constant(node, 4)};
  host->set_output(node, 0, MONZA_F32, 3, shape);
  host->set_output(node, 1, MONZA_F32, 2, shape);
  host->set_output(node, 2, MONZA_I32, 2, shape);
  host->set_output(node, 3, MONZA_I32, 1, shape);
  return nullptr;
}

const char* fill_params(const monza_plugin_host* host, monza_plugin_node* node, void* params) {
  Params& p = *static_cast<Params*>(params);
  p.score_threshold = static_cast<float>(host->number(node, "score_threshold"));
  p.iou_threshold = static_cast<float>(host->number(node, "iou_threshold"));
  const std::int64_t most = host->integer(node, "max_candidates");
  if (most < 1 || most > 1 << 24) return "max_candidates must lie in 1 to 16777216";
  p.max_candidates = static_cast<std::int32_t>(most);
  return nullptr;
}

bool is(const monza_tensor& t, std::int32_t dtype, std::initializer_list<std::int64_t> shape) {
  return t.dtype == dtype && t.rank == static_cast<std::int32_t>(shape.size()) &&
         std::equal(shape.begin(), shape.end(), t.shape);
}

const char* verify(const monza_plugin_call* call) {
  const monza_tensor &x = call->inputs[0], *out = call->outputs;
  if (x.dtype != MONZA_F32 || x.rank != 3 || x.shape[1] < 5)
    return "the head's output is no f32 [batch, 4 + classes, cells]";
  if (out[0].rank != 3) return "the boxes are no f32 [batch, detections, 4]";
  const Sizes s = sizes_of(*call);
  if (s.cells > 1 << 24 || s.detections > 1 << 20) return "there are more cells or detections than it is made for";
  if (!is(out[0], MONZA_F32, {s.batch, s.detections, 4}) || !is(out[1], MONZA_F32, {s.batch, s.detections}) ||
      !is(out[2], MONZA_I32, {s.batch, s.detections}) || !is(out[3], MONZA_I32, {s.batch}))
    return "the outputs do not fit the head's output";
  return static_cast<const Params*>(call->params)->max_candidates >= 1 ? nullptr : "max_candidates is not above 0";
}

/// A box that is above the threshold.
struct Candidate {
  float score;
  std::int32_t cell, class_id;
  Box box;
};

/// Of one thread: the best class of each cell, and room for all of them.
struct Scratch {
  float* best;            // [cells]
  std::int32_t* which;    // [cells]
  Candidate* candidates;  // [cells]
  static std::int64_t bytes(std::int64_t cells) {
    return cells * static_cast<std::int64_t>(sizeof(float) + sizeof(std::int32_t) + sizeof(Candidate));
  }
  Scratch(void* memory, std::int64_t cells)
      : best(static_cast<float*>(memory)),
        which(reinterpret_cast<std::int32_t*>(best + cells)),
        candidates(reinterpret_cast<Candidate*>(which + cells)) {}
};

std::int64_t workspace(const monza_plugin_call* call) {
  const Sizes sizes = sizes_of(*call);
#if defined(MONZA_PLUGIN_CUDA)
  if (call->device == MONZA_CUDA) return workspace_cuda(sizes);
#endif
  return call->threads * Scratch::bytes(sizes.cells);
}

/// The boxes above the threshold, in the order of their cells. `x`: [4 + classes, cells].
std::int64_t decode(const float* x, const Sizes& s, const Params& p, const Scratch& scratch) {
  const std::int64_t n = s.cells;
  float* const best = scratch.best;
  std::int32_t* const which = scratch.which;
  std::copy(x + 4 * n, x + 5 * n, best);
  std::fill(which, which + n, 0);
  for (std::int32_t c = 1; c < s.classes; ++c) {
    const float* scores = x + (4 + c) * n;
    for (std::int64_t i = 0; i < n; ++i) {
      const bool better = scores[i] > best[i];
      best[i] = better ? scores[i] : best[i];
      which[i] = better ? c : which[i];
    }
  }
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!(best[i] > p.score_threshold) || !std::isfinite(best[i])) continue;
    const Box b = from_centre(x[i], x[n + i], x[2 * n + i], x[3 * n + i]);
    if (!std::isfinite(b.x1) || !std::isfinite(b.y1) || !std::isfinite(b.x2) || !std::isfinite(b.y2)) continue;
    scratch.candidates[found++] = {best[i], static_cast<std::int32_t>(i), which[i], b};
  }
  return found;
}

/// Of one picture: decoded, sorted by score, and greedily suppressed within each class.
void find_boxes(const monza_plugin_call& call, std::int64_t picture, std::int32_t thread) {
  const Sizes s = sizes_of(call);
  const Params& p = *static_cast<const Params*>(call.params);
  const Scratch scratch(static_cast<char*>(call.workspace) + thread * Scratch::bytes(s.cells), s.cells);
  const float* x = static_cast<const float*>(call.inputs[0].data) + picture * (4 + s.classes) * s.cells;
  const std::int64_t found = decode(x, s, p, scratch);
  Candidate* const first = scratch.candidates;
  std::sort(first, first + found, [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.cell < b.cell;
  });
  Box* boxes = static_cast<Box*>(call.outputs[0].data) + picture * s.detections;
  float* scores = static_cast<float*>(call.outputs[1].data) + picture * s.detections;
  auto* classes = static_cast<std::int32_t*>(call.outputs[2].data) + picture * s.detections;
  const Candidate* const last = first + std::min<std::int64_t>(found, p.max_candidates);
  std::int64_t kept = 0;
  for (const Candidate* c = first; c < last && kept < s.detections; ++c) {
    bool suppressed = false;
    for (std::int64_t k = 0; k < kept && !suppressed; ++k)
      suppressed = classes[k] == c->class_id && overlap(boxes[k], c->box) > p.iou_threshold;
    if (suppressed) continue;
    boxes[kept] = c->box;
    scores[kept] = c->score;
    classes[kept++] = c->class_id;
  }
  std::fill(boxes + kept, boxes + s.detections, Box{});
  std::fill(scores + kept, scores + s.detections, 0.0f);
  std::fill(classes + kept, classes + s.detections, 0);
  static_cast<std::int32_t*>(call.outputs[3].data)[picture] = static_cast<std::int32_t>(kept);
}

const char* run(const monza_plugin_call* call) {
  const auto task = [](void* user, std::int64_t picture, std::int32_t thread) {
    find_boxes(*static_cast<const monza_plugin_call*>(user), picture, thread);
  };
  call->parallel_for(call, call->inputs[0].shape[0], task, const_cast<monza_plugin_call*>(call));
  return nullptr;
}

constexpr monza_plugin_attribute attribute(const char* name, double value) {
  return {.struct_size = sizeof(monza_plugin_attribute), .name = name, .kind = MONZA_PLUGIN_NUMBER, .number = value};
}
constexpr monza_plugin_attribute attribute(const char* name, std::int64_t value) {
  return {.struct_size = sizeof(monza_plugin_attribute), .name = name, .kind = MONZA_PLUGIN_INTEGER, .integer = value};
}
constexpr monza_plugin_attribute kScore = attribute("score_threshold", 0.25);
constexpr monza_plugin_attribute kIou = attribute("iou_threshold", 0.45);
constexpr monza_plugin_attribute kDetections = attribute("max_detections", std::int64_t{300});
constexpr monza_plugin_attribute kCandidates = attribute("max_candidates", std::int64_t{30000});
constexpr const monza_plugin_attribute* kAttributes[] = {&kScore, &kIou, &kDetections, &kCandidates};

constexpr monza_plugin_operator kOperator = {.struct_size = sizeof kOperator,
                                             .domain = "monza.vision",
                                             .name = "YoloPost",
                                             .version = 1,
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .min_outputs = 4,
                                             .max_outputs = 4,
                                             .flags = MONZA_PLUGIN_BATCH_INVARIANT,
                                             .attributes = kAttributes,
                                             .attribute_count = 4,
                                             .params_bytes = sizeof(Params),
                                             .infer = infer,
                                             .params = fill_params,
                                             .verify = verify,
                                             .workspace = workspace,
                                             .run = run,
#if defined(MONZA_PLUGIN_CUDA)
                                             .run_cuda = run_cuda
#endif
};
constexpr const monza_plugin_operator* kOperators[] = {&kOperator};
constexpr monza_plugin kPlugin = {sizeof kPlugin, MONZA_PLUGIN_ABI, "yolo_post 1.0", kOperators, 1};

}  // namespace
}  // namespace yolo_post

const monza_plugin* monza_plugin_get() { return &yolo_post::kPlugin; }
