#include "backend/cuda/cublaslt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"

namespace monza::backend {
namespace {

// Of cublasLt.h, library_types.h and cublas_api.h.
struct MatrixLayout {
  std::uint64_t data[8];
};
struct ProductDesc {
  std::uint64_t data[32];
};
struct Preference {
  std::uint64_t data[8];
};
struct Algorithm {
  std::uint64_t data[8];
};
struct Proposal {
  Algorithm algorithm;
  std::size_t workspace;
  int status;
  float waves;
  int reserved[4];
};
enum : int { kFloat32 = 0, kFloat16 = 2, kBfloat16 = 14 };                  // cudaDataType
enum : int { kCompute32F = 68 };                                            // cublasComputeType_t: no TF32
enum : int { kBatchCount = 5, kBatchOffset = 6 };                           // cublasLtMatrixLayoutAttribute_t
enum : int { kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBias = 8 };  // cublasLtMatmulDescAttributes_t
enum : int { kMostWorkspace = 1, kAlignA = 5, kAlignB = 6, kAlignC = 7, kAlignD = 8 };  // ...PreferenceAttributes_t
enum : std::uint32_t { kEpilogueNone = 1, kEpilogueRelu = 2, kEpilogueBias = 4, kEpilogueGelu = 32 };

struct LtFunctions {
  int (*create)(void** handle);
  std::size_t (*version)();
  const char* (*status_name)(int status);
  int (*layout)(MatrixLayout*, std::size_t size, int type, std::uint64_t rows, std::uint64_t columns,
                std::int64_t pitch);
  int (*set_layout)(MatrixLayout*, int attribute, const void* value, std::size_t size);
  int (*product)(ProductDesc*, std::size_t size, int compute, int scale);
  int (*set_product)(ProductDesc*, int attribute, const void* value, std::size_t size);
  int (*preference)(Preference*, std::size_t size);
  int (*set_preference)(Preference*, int attribute, const void* value, std::size_t size);
  int (*propose)(void* handle, ProductDesc*, MatrixLayout* a, MatrixLayout* b, MatrixLayout* c, MatrixLayout* d,
                 Preference*, int asked, Proposal*, int* count);
  int (*multiply)(void* handle, ProductDesc*, const void* alpha, const void* a, MatrixLayout*, const void* b,
                  MatrixLayout*, const void* beta, const void* c, MatrixLayout*, void* d, MatrixLayout*,
                  const Algorithm*, void* workspace, std::size_t workspace_bytes, CUstream_st*);
};

/// The library, and a handle, which any number of threads may use at once.
struct OpenedLt {
  Library library{"cuBLASLt", "libcublasLt.so.13"};
  LtFunctions f{};
  void* handle = nullptr;

  OpenedLt() {
    library.find(f.create, "cublasLtCreate");
    library.find(f.version, "cublasLtGetVersion");
    library.find(f.status_name, "cublasLtGetStatusName");
    library.find(f.layout, "cublasLtMatrixLayoutInit_internal");
    library.find(f.set_layout, "cublasLtMatrixLayoutSetAttribute");
    library.find(f.product, "cublasLtMatmulDescInit_internal");
    library.find(f.set_product, "cublasLtMatmulDescSetAttribute");
    library.find(f.preference, "cublasLtMatmulPreferenceInit_internal");
    library.find(f.set_preference, "cublasLtMatmulPreferenceSetAttribute");
    library.find(f.propose, "cublasLtMatmulAlgoGetHeuristic");
    library.find(f.multiply, "cublasLtMatmul");
    if (!library.usable()) return;
    const std::size_t v = f.version();
    library.set_version(fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100));
    if (const int status = f.create(&handle); status != 0)
      library.refuse(message("it cannot be used: {}", f.status_name(status)));
  }
};
const OpenedLt& opened_lt() {
  static const OpenedLt opened;
  return opened;
}

/// What the choice of an algorithm depends on. No padding: it is compared as bytes.
struct Question {
  std::int64_t m, n, k, batches, pitch[4], batch[4];
  std::uint64_t workspace;
  std::int32_t type, a_transposed, b_transposed, epilogue, bias_alignment, with_c, choice, reserved = 0;
  std::int32_t alignment[4];
  bool operator==(const Question&) const = default;
};
static_assert(sizeof(Question) == 13 * 8 + 12 * 4);

/// The choices so far, in as many places as no model has products; two that share a place take turns.
class Choices {
 public:
  bool find(const Question& q, Algorithm& found, bool& any) {
    const std::lock_guard lock(mutex_);
    const Entry& e = entries_[place(q)];
    if (!e.set || !(e.question == q)) return false;
    found = e.algorithm;
    any = e.any;
    return true;
  }
  void add(const Question& q, const Algorithm& algorithm, bool any) {
    const std::lock_guard lock(mutex_);
    entries_[place(q)] = {true, any, q, algorithm};
  }

 private:
  struct Entry {
    bool set = false, any = false;
    Question question;
    Algorithm algorithm;
  };
  static std::size_t place(const Question& q) {
    return hash64(std::string_view(reinterpret_cast<const char*>(&q), sizeof q)) % kPlaces;
  }
  static constexpr std::size_t kPlaces = 1024;
  std::mutex mutex_;
  std::array<Entry, kPlaces> entries_{};
};

/// The largest power of two, up to 256, that divides an address.
std::int32_t alignment_of(const void* p) {
  const auto bits = reinterpret_cast<std::uintptr_t>(p);
  return bits == 0 ? 256 : static_cast<std::int32_t>(std::min<std::uintptr_t>(256, bits & (~bits + 1)));
}

int type_of(DType dtype) { return dtype == DType::f16 ? kFloat16 : dtype == DType::bf16 ? kBfloat16 : kFloat32; }

/// One product in the library's words.
class Call {
 public:
  explicit Call(const LtProduct& p) : p_(p) {
    check(f_.product(&desc_, sizeof desc_, kCompute32F, kFloat32));
    const std::int32_t ta = p.a_transposed, tb = p.b_transposed;
    set(kTransposeA, ta);
    set(kTransposeB, tb);
    const std::uint32_t bias = p.bias != nullptr ? +kEpilogueBias : 0U;
    const std::uint32_t epilogue = p.epilogue == LtEpilogue::relu        ? kEpilogueRelu | bias
                                   : p.epilogue == LtEpilogue::gelu_tanh ? kEpilogueGelu | bias
                                   : bias != 0                           ? bias
                                                                         : kEpilogueNone;
    set(kEpilogue, epilogue);
    if (p.bias != nullptr) set(kBias, p.bias);
    // The library wants a c, which it does not read where its factor is zero.
    const LtMatrix* const matrices[] = {&p.a, &p.b, p.c.data != nullptr ? &p.c : &p.d, &p.d};
    question_ = {.m = p.m,
                 .n = p.n,
                 .k = p.k,
                 .batches = p.batches,
                 .workspace = p.workspace_bytes,
                 .type = type_of(p.dtype),
                 .a_transposed = ta,
                 .b_transposed = tb,
                 .epilogue = static_cast<std::int32_t>(epilogue),
                 .bias_alignment = alignment_of(p.bias),
                 .with_c = p.c.data != nullptr,
                 .choice = p.choice};
    for (int i = 0; i < 4; ++i) {
      const LtMatrix& m = *matrices[i];
      data_[i] = m.data;
      check(f_.layout(&layouts_[i], sizeof layouts_[i], type_of(p.dtype), static_cast<std::uint64_t>(m.rows),
                      static_cast<std::uint64_t>(m.columns), m.pitch));
      if (p.batches > 1) {
        const auto count = static_cast<std::int32_t>(p.batches);
        check(f_.set_layout(&layouts_[i], kBatchCount, &count, sizeof count));
        check(f_.set_layout(&layouts_[i], kBatchOffset, &m.batch, sizeof m.batch));
      }
      question_.pitch[i] = m.pitch;
      question_.batch[i] = m.batch;
      // Of all columns of all matrices: 3 x 200 x 64 in bf16, told the first column's alone, ended in a misaligned
      // address by the second proposal (cuBLASLt 13.1).
      const std::int64_t apart = (m.columns > 1 ? m.pitch : 0) | (p.batches > 1 ? m.batch : 0);
      question_.alignment[i] = alignment_of(reinterpret_cast<const void*>(
          reinterpret_cast<std::uintptr_t>(m.data) | static_cast<std::uintptr_t>(apart * dtype_bits(p.dtype) / 8)));
    }
  }

  /// False where the library proposes nothing.
  bool choose() {
    static Choices choices;
    bool any = false;
    if (status_ != 0) return false;
    if (choices.find(question_, algorithm_, any)) return any;
    Preference preference{};
    check(f_.preference(&preference, sizeof preference));
    const auto prefer = [&](int attribute, auto value) {
      check(f_.set_preference(&preference, attribute, &value, sizeof value));
    };
    prefer(kMostWorkspace, question_.workspace);
    constexpr int kAttributes[] = {kAlignA, kAlignB, kAlignC, kAlignD};
    for (int i = 0; i < 4; ++i) prefer(kAttributes[i], static_cast<std::uint32_t>(question_.alignment[i]));
    std::array<Proposal, kProposals> proposals{};
    int count = 0;
    // A product that it does not take is a status, too, and not one of a run.
    const int proposed = status_ != 0 ? status_
                                      : f_.propose(opened_lt().handle, &desc_, &layouts_[0], &layouts_[1], &layouts_[2],
                                                   &layouts_[3], &preference, p_.choice + 1, proposals.data(), &count);
    for (int i = 0; proposed == 0 && i < std::min(count, kProposals); ++i)
      if (proposals[static_cast<std::size_t>(i)].status == 0) {
        algorithm_ = proposals[static_cast<std::size_t>(i)].algorithm;
        any = true;
      }
    choices.add(question_, algorithm_, any);
    return any;
  }

  void run(CUstream_st* stream) {
    const float beta = p_.c.data != nullptr ? 1 : 0;
    check(f_.multiply(opened_lt().handle, &desc_, &p_.alpha, data_[0], &layouts_[0], data_[1], &layouts_[1], &beta,
                      data_[2], &layouts_[2], const_cast<void*>(data_[3]), &layouts_[3], &algorithm_, p_.workspace,
                      p_.workspace_bytes, stream));
  }
  int status() const { return status_; }

 private:
  static constexpr int kProposals = 8;
  template <typename T>
  void set(int attribute, const T& value) {
    check(f_.set_product(&desc_, attribute, &value, sizeof value));
  }
  void check(int status) {
    if (status_ == 0) status_ = status;
  }

  const LtProduct& p_;
  const LtFunctions& f_ = opened_lt().f;
  int status_ = 0;
  ProductDesc desc_{};
  MatrixLayout layouts_[4]{};
  const void* data_[4]{};
  Question question_{};
  Algorithm algorithm_{};
};

}  // namespace

LtMatrix LtMatrix::of(const void* data, std::int64_t rows, std::int64_t columns, std::int64_t row, std::int64_t column,
                      bool& transposed) {
  // The pitch of a single column is nobody's.
  transposed = !((row == 1 || rows == 1) && (column >= rows || columns == 1));
  if (!transposed) return {data, rows, columns, columns == 1 ? rows : column};
  if ((column == 1 || columns == 1) && (row >= columns || rows == 1))
    return {data, columns, rows, rows == 1 ? columns : row};
  return {};
}

const LibraryFacts& cublaslt_facts() { return opened_lt().library.facts(); }

Status cublaslt_multiply(const LtProduct& product, CUstream_st* stream, bool& done) noexcept {
  done = false;
  Call call(product);
  if (!call.choose())
    return call.status() == 0 ? Status{} : Status{StatusCode::internal, "cuBLASLt refuses a description"};
  call.run(stream);
  if (call.status() != 0) return {StatusCode::unavailable, opened_lt().f.status_name(call.status())};
  done = true;
  return {};
}

}  // namespace monza::backend
