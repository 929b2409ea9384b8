#include "backend/cuda/cudnn.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/error.h"

namespace monza::backend {
namespace {

// Of cudnn_graph.h, cudnn_ops.h and cudnn_cnn.h. Descriptors and handles are opaque.
enum : int { kNotSupported = 3000, kNotSupportedEnd = 4000, kBadParam = 2000, kBadParamEnd = 3000 };  // cudnnStatus_t
enum : int { kFloat = 0, kHalf = 2 };                                                                 // cudnnDataType_t
enum : int { kNhwc = 1 };                                // cudnnTensorFormat_t
enum : int { kTensorMath = 1, kFmaMath = 3 };            // cudnnMathType_t: of f32 no TF32
enum : int { kCrossCorrelation = 1 };                    // cudnnConvolutionMode_t
enum : int { kImplicitGemm = 0, kPrecomputedGemm = 1 };  // cudnnConvolutionFwdAlgo_t
enum : int { kRelu = 1, kIdentity = 5 };                 // cudnnActivationMode_t
enum : int { kPropagateNan = 1 };

struct DnnFunctions {
  int (*create)(void** handle);
  std::size_t (*version)();
  const char* (*error_string)(int status);
  int (*set_stream)(void* handle, CUstream_st*);
  int (*make_tensor)(void** tensor);
  int (*make_filter)(void** filter);
  int (*make_convolution)(void** convolution);
  int (*make_activation)(void** activation);
  int (*set_tensor)(void* tensor, int type, int rank, const int* extents, const int* strides);
  int (*set_filter)(void* filter, int type, int format, int rank, const int* extents);
  int (*set_convolution)(void* convolution, int axes, const int* pad, const int* stride, const int* dilation, int mode,
                         int type);
  int (*set_math)(void* convolution, int math);
  int (*set_groups)(void* convolution, int groups);
  int (*set_activation)(void* activation, int mode, int nan, double coefficient);
  int (*workspace)(void* handle, void* x, void* w, void* convolution, void* y, int algorithm, std::size_t* bytes);
  int (*convolve)(void* handle, const void* alpha, void* x_desc, const void* x, void* w_desc, const void* w,
                  void* convolution, int algorithm, void* workspace, std::size_t bytes, const void* beta, void* y_desc,
                  void* y);
  int (*convolve_fused)(void* handle, const void* alpha1, void* x_desc, const void* x, void* w_desc, const void* w,
                        void* convolution, int algorithm, void* workspace, std::size_t bytes, const void* alpha2,
                        void* z_desc, const void* z, void* bias_desc, const void* bias, void* activation, void* y_desc,
                        void* y);
};

/// How a convolution is computed.
struct DnnPlan {
  bool fits = false;  ///< false: not by this library within the workspace
  int algorithm = 0;
  std::size_t bytes = 0;
};

/// The library with one handle and one set of descriptors, which one caller at a time fills in.
struct OpenedDnn {
  Library library{"cuDNN", "libcudnn.so.9"};
  DnnFunctions f{};
  std::mutex mutex;
  void* handle = nullptr;
  void *x = nullptr, *y = nullptr, *z = nullptr, *bias = nullptr, *w = nullptr, *convolution = nullptr,
       *activation = nullptr;

  OpenedDnn() {
    library.find(f.create, "cudnnCreate");
    library.find(f.version, "cudnnGetVersion");
    library.find(f.error_string, "cudnnGetErrorString");
    library.find(f.set_stream, "cudnnSetStream");
    library.find(f.make_tensor, "cudnnCreateTensorDescriptor");
    library.find(f.make_filter, "cudnnCreateFilterDescriptor");
    library.find(f.make_convolution, "cudnnCreateConvolutionDescriptor");
    library.find(f.make_activation, "cudnnCreateActivationDescriptor");
    library.find(f.set_tensor, "cudnnSetTensorNdDescriptor");
    library.find(f.set_filter, "cudnnSetFilterNdDescriptor");
    library.find(f.set_convolution, "cudnnSetConvolutionNdDescriptor");
    library.find(f.set_math, "cudnnSetConvolutionMathType");
    library.find(f.set_groups, "cudnnSetConvolutionGroupCount");
    library.find(f.set_activation, "cudnnSetActivationDescriptor");
    library.find(f.workspace, "cudnnGetConvolutionForwardWorkspaceSize");
    library.find(f.convolve, "cudnnConvolutionForward");
    library.find(f.convolve_fused, "cudnnConvolutionBiasActivationForward");
    if (!library.usable()) return;
    const std::size_t v = f.version();
    library.set_version(fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100));
    int status = f.create(&handle);
    for (void** tensor : {&x, &y, &z, &bias})
      if (status == 0) status = f.make_tensor(tensor);
    if (status == 0) status = f.make_filter(&w);
    if (status == 0) status = f.make_convolution(&convolution);
    if (status == 0) status = f.make_activation(&activation);
    if (status != 0) library.refuse(message("it cannot be used: {}", f.error_string(status)));
  }

  /// Of what the descriptors say now, which is `c`. Asked once: the library thinks longer about it than a launch takes.
  DnnPlan plan_of(const DnnConv& c) {
    DnnConv key = c;  // without what does not matter
    key.x_data = key.w_data = key.z_data = key.bias = key.y_data = key.workspace = nullptr;
    key.relu = false;
    std::fill(std::begin(key.z_stride), std::end(key.z_stride), 0);
    const bool fused = c.bias != nullptr;
    KnownDnn& known = plans[(hash_of(key) + (fused ? 1 : 0)) % plans.size()];
    if (known.set && known.fused == fused && same(known.conv, key)) return known.plan;
    DnnPlan plan;
    const auto fits = [&](int algorithm) {
      plan.algorithm = algorithm;
      return f.workspace(handle, x, w, convolution, y, algorithm, &plan.bytes) == 0 && plan.bytes <= c.workspace_bytes;
    };
    // With what follows the convolution only one algorithm does everything.
    plan.fits = fits(kPrecomputedGemm) || (!fused && fits(kImplicitGemm));
    known = {true, fused, key, plan};
    return plan;
  }

 private:
  struct KnownDnn {
    bool set = false, fused = false;
    DnnConv conv;
    DnnPlan plan;
  };
  static std::array<const int*, 8> lists(const DnnConv& c) {
    return {c.x, c.w, c.y, c.x_stride, c.y_stride, c.pad, c.stride, c.dilation};
  }
  static int length(std::size_t list) { return list < 5 ? DnnConv::kMostAxes + 2 : DnnConv::kMostAxes; }
  static bool same(const DnnConv& a, const DnnConv& b) {
    bool equal =
        a.dtype == b.dtype && a.spatial == b.spatial && a.groups == b.groups && a.workspace_bytes == b.workspace_bytes;
    for (std::size_t i = 0; i < lists(a).size(); ++i)
      equal = equal && std::equal(lists(a)[i], lists(a)[i] + length(i), lists(b)[i]);
    return equal;
  }
  static std::size_t hash_of(const DnnConv& c) {
    std::size_t hash = static_cast<std::size_t>(c.dtype) * 31 + static_cast<std::size_t>(c.groups);
    for (std::size_t i = 0; i < lists(c).size(); ++i)
      for (int k = 0; k < length(i); ++k) hash = hash * 1000003 + static_cast<std::size_t>(lists(c)[i][k]);
    return hash;
  }
  std::array<KnownDnn, 1024> plans{};  ///< two that share a place take turns
};
OpenedDnn& opened_dnn() {
  static OpenedDnn opened;
  return opened;
}

/// Statuses that say "not this one", and not "something broke".
bool refuses(int status) {
  return (status >= kNotSupported && status < kNotSupportedEnd) || (status >= kBadParam && status < kBadParamEnd);
}

}  // namespace

const LibraryFacts& cudnn_facts() { return opened_dnn().library.facts(); }

Status cudnn_convolve(const DnnConv& c, CUstream_st* stream, bool& done) noexcept {
  done = false;
  OpenedDnn& dnn = opened_dnn();
  const DnnFunctions& f = dnn.f;
  const std::lock_guard lock(dnn.mutex);
  const int type = c.dtype == DType::f16 ? kHalf : kFloat, rank = c.spatial + 2;
  int status = 0;
  const auto check = [&](int next) {
    if (status == 0) status = next;
  };
  check(f.set_stream(dnn.handle, stream));
  check(f.set_tensor(dnn.x, type, rank, c.x, c.x_stride));
  check(f.set_tensor(dnn.y, type, rank, c.y, c.y_stride));
  check(f.set_filter(dnn.w, type, kNhwc, rank, c.w));
  check(f.set_convolution(dnn.convolution, c.spatial, c.pad, c.stride, c.dilation, kCrossCorrelation, kFloat));
  check(f.set_groups(dnn.convolution, c.groups));
  check(f.set_math(dnn.convolution, c.dtype == DType::f16 ? kTensorMath : kFmaMath));
  if (refuses(status)) return {};
  if (status != 0) return {StatusCode::unavailable, f.error_string(status)};
  const DnnPlan plan = dnn.plan_of(c);
  if (!plan.fits) return {};
  const float one = 1, zero = 0;
  if (c.bias == nullptr) {
    check(f.convolve(dnn.handle, &one, dnn.x, c.x_data, dnn.w, c.w_data, dnn.convolution, plan.algorithm, c.workspace,
                     plan.bytes, &zero, dnn.y, c.y_data));
  } else {
    int extents[DnnConv::kMostAxes + 2] = {1, c.y[1], 1, 1, 1}, strides[DnnConv::kMostAxes + 2] = {c.y[1], 1, 1, 1, 1};
    check(f.set_tensor(dnn.bias, type, rank, extents, strides));
    check(f.set_tensor(dnn.z, type, rank, c.y, c.z_data != nullptr ? c.z_stride : c.y_stride));
    check(f.set_activation(dnn.activation, c.relu ? kRelu : kIdentity, kPropagateNan, 0));
    check(status != 0 ? status
                      : f.convolve_fused(dnn.handle, &one, dnn.x, c.x_data, dnn.w, c.w_data, dnn.convolution,
                                         plan.algorithm, c.workspace, plan.bytes, c.z_data != nullptr ? &one : &zero,
                                         dnn.z, c.z_data != nullptr ? c.z_data : c.y_data, dnn.bias, c.bias,
                                         dnn.activation, dnn.y, c.y_data));
  }
  if (refuses(status)) return {};
  if (status != 0) return {StatusCode::unavailable, f.error_string(status)};
  done = true;
  return {};
}

}  // namespace monza::backend
