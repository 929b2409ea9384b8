#include "plugin/build/node.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/dtype.h"

namespace monza::plugin {
namespace {

using Node = monza_plugin_node;
constexpr monza_plugin_extent kNoExtent = -1;
constexpr std::size_t kMostExtents = 1 << 16;

/// What `question` gives, or `otherwise` where it throws, which is noted: no exception may cross the plugin's frames.
template <typename T, typename F>
T answer(Node* node, T otherwise, F&& question) noexcept {
  try {
    if (!node->failure) return question();
  } catch (const Error& e) {
    node->failure = e;
  } catch (const std::exception& e) {
    node->failure = Error(e.what());
  }
  return otherwise;
}

bool present(const Node& n, std::int32_t input) {
  return input >= 0 && static_cast<std::size_t>(input) < n.node.inputs.size() &&
         n.node.inputs[static_cast<std::size_t>(input)] != ir::kNone;
}

const ir::Type& type_of(const Node& n, std::int32_t input) {
  if (!present(n, input)) fail("input {} is required", input);
  const ir::Type& type = n.infer != nullptr ? n.infer->input(input) : n.view->input(input);
  if (type.kind != ir::ValueKind::tensor || !has_name(type.dtype))
    fail("input {} is {}, which plugins cannot take", input, ir::to_string(type));
  return type;
}

const ir::Expr& extent_of(const Node& n, monza_plugin_extent extent) {
  if (extent < 0 || static_cast<std::size_t>(extent) >= n.extents.size())
    fail("the plugin uses an extent that it was not given");
  return n.extents[static_cast<std::size_t>(extent)];
}

monza_plugin_extent keep(Node& n, ir::Expr e) {
  if (n.extents.size() == kMostExtents) fail("the plugin makes more than {} extents for one node", kMostExtents);
  n.extents.push_back(std::move(e));
  return static_cast<monza_plugin_extent>(n.extents.size() - 1);
}

ir::InferContext& inference_of(Node& n) {
  if (n.infer == nullptr) fail("the plugin says shapes where it is asked for parameters");
  return *n.infer;
}

ir::AttrReader attrs_of(const Node& n) { return ir::attrs_of(n.node); }

std::int32_t input_dtype(Node* n, std::int32_t input) noexcept {
  return answer(n, 0, [&] { return static_cast<std::int32_t>(type_of(*n, input).dtype); });
}

std::int32_t input_rank(Node* n, std::int32_t input) noexcept {
  return answer(n, 0, [&] { return static_cast<std::int32_t>(type_of(*n, input).rank()); });
}

monza_plugin_extent input_extent(Node* n, std::int32_t input, std::int32_t axis) noexcept {
  return answer(n, kNoExtent, [&] {
    const ir::Type& type = type_of(*n, input);
    if (axis < 0 || static_cast<std::size_t>(axis) >= type.rank())
      fail("input {} is {}, and axis {} is needed", input, ir::to_string(type), axis);
    return keep(*n, type.shape[static_cast<std::size_t>(axis)]);
  });
}

monza_plugin_extent input_element(Node* n, std::int32_t input, std::int64_t index) noexcept {
  return answer(n, kNoExtent, [&] {
    (void)type_of(*n, input);
    const std::vector<ir::Expr> elements = inference_of(*n).content(input);
    if (index < 0 || static_cast<std::size_t>(index) >= elements.size())
      fail("input {} has {} elements, and element {} is needed", input, elements.size(), index);
    return keep(*n, elements[static_cast<std::size_t>(index)]);
  });
}

ir::Expr combined(std::int32_t arithmetic, const ir::Expr& a, const ir::Expr& b) {
  switch (arithmetic) {
    case MONZA_PLUGIN_ADD: return a + b;
    case MONZA_PLUGIN_SUB: return a - b;
    case MONZA_PLUGIN_MUL: return a * b;
    case MONZA_PLUGIN_FLOOR_DIV: return ir::floor_div(a, b);
    case MONZA_PLUGIN_CEIL_DIV: return ir::ceil_div(a, b);
    case MONZA_PLUGIN_MIN: return ir::min(a, b);
    case MONZA_PLUGIN_MAX: return ir::max(a, b);
    default: fail("the plugin asks for arithmetic {}, which there is not", arithmetic);
  }
}

monza_plugin_extent combine(Node* n, std::int32_t arithmetic, monza_plugin_extent a, monza_plugin_extent b) noexcept {
  return answer(n, kNoExtent, [&] { return keep(*n, combined(arithmetic, extent_of(*n, a), extent_of(*n, b))); });
}

std::int32_t known(Node* n, monza_plugin_extent extent, std::int64_t* value) noexcept {
  return answer(n, 0, [&] {
    const auto constant = extent_of(*n, extent).try_constant();
    if (constant && value != nullptr) *value = *constant;
    return constant ? 1 : 0;
  });
}

const char* string(Node* n, const char* name) noexcept {
  return answer(n, "", [&] { return n->strings.emplace_back(attrs_of(*n).s(name)).c_str(); });
}

template <typename T>
std::int64_t list(std::deque<std::vector<T>>& kept, std::vector<T> values, const T** to) {
  const std::vector<T>& list = kept.emplace_back(std::move(values));
  if (to != nullptr) *to = list.data();
  return static_cast<std::int64_t>(list.size());
}

std::int64_t integers(Node* n, const char* name, const std::int64_t** values) noexcept {
  return answer(n, std::int64_t{0}, [&] { return list(n->integers, attrs_of(*n).ints(name), values); });
}

std::int64_t numbers(Node* n, const char* name, const double** values) noexcept {
  return answer(n, std::int64_t{0}, [&] { return list(n->numbers, attrs_of(*n).floats(name), values); });
}

void set_output(Node* n, std::int32_t output, std::int32_t dtype, std::int32_t rank,
                const monza_plugin_extent* extents) noexcept {
  answer(n, 0, [&] {
    ir::InferContext& infer = inference_of(*n);
    const auto type = static_cast<DType>(std::clamp(dtype, 0, 255));
    if (!has_name(type)) fail("the plugin gives output {} the element type {}", output, dtype);
    if (output < 0 || output >= MONZA_PLUGIN_MAX_OPERANDS || rank < 0 || (rank > 0 && extents == nullptr))
      fail("the plugin gives output {} the rank {}", output, rank);
    ir::SymShape shape;
    for (int a = 0; a < std::min(rank, kMaxRank + 1); ++a) shape.push_back(extent_of(*n, extents[a]));
    infer.set_output(output, type, std::move(shape));
    return 0;
  });
}

monza_plugin_extent reported_extent(Node* n, monza_plugin_extent bound) noexcept {
  return answer(n, kNoExtent, [&] {
    ++n->reported;
    return keep(*n, inference_of(*n).new_extent(0, extent_of(*n, bound)));
  });
}

}  // namespace

const monza_plugin_host& host() {
  static const monza_plugin_host table = {
      .struct_size = sizeof(monza_plugin_host),
      .input_count = [](Node* n) { return static_cast<std::int32_t>(n->node.inputs.size()); },
      .output_count = [](Node* n) { return static_cast<std::int32_t>(n->node.outputs.size()); },
      .has_input = [](Node* n, std::int32_t input) { return present(*n, input) ? 1 : 0; },
      .input_dtype = input_dtype,
      .input_rank = input_rank,
      .input_extent = input_extent,
      .input_element = input_element,
      .constant = [](Node* n, std::int64_t value) { return answer(n, kNoExtent, [&] { return keep(*n, value); }); },
      .combine = combine,
      .known = known,
      .has_attribute = [](Node* n,
                          const char* name) { return answer(n, 0, [&] { return attrs_of(*n).has(name) ? 1 : 0; }); },
      .integer = [](Node* n,
                    const char* name) { return answer(n, std::int64_t{0}, [&] { return attrs_of(*n).i(name); }); },
      .number = [](Node* n, const char* name) { return answer(n, 0.0, [&] { return attrs_of(*n).f(name); }); },
      .string = string,
      .integers = integers,
      .numbers = numbers,
      .set_output = set_output,
      .reported_extent = reported_extent,
  };
  return table;
}

void check_answer(const char* reason, const monza_plugin_node& asked) {
  // What follows from a wrong question is not the reason.
  if (asked.failure) throw *asked.failure;
  if (reason != nullptr) fail("{}", std::string_view(reason));
}

}  // namespace monza::plugin
