#include "engine/carried_graph.h"

#include <charconv>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "kernel/serial.h"
#include "plan/data/plan.h"
#include "plan/data/reach.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(b));
  return text;
}

std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    if (std::from_chars(text.data() + i, text.data() + i + 2, value, 16).ptr != text.data() + i + 2)
      fail("'{}' are no hexadecimal digits", text.substr(i, 2));
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

ir::Attrs place(const char* section, const plan::WeightStore& store, int id) {
  const plan::WeightStore::Block& block = store.blocks()[static_cast<std::size_t>(id)];
  ir::Attrs attrs;
  attrs.set(section, store.offset_of(block));
  attrs.set("bytes", block.bytes);
  attrs.set("sum", fmt::format("{:016x}", block.sum));
  return attrs;
}

/// How a stored constant is described: where its block lies, the block's hash, and how its elements lie in it.
constexpr ir::AttrDef kStored[] = {{"weights", -1},
                                   {"data", -1},
                                   ir::required("bytes", ir::AttrKind::integer),
                                   ir::required("sum", ir::AttrKind::string),
                                   {"format", ir::AttrKind::string},
                                   {"input", 0},
                                   {"params", ""},
                                   {"layout", 0},
                                   {"stride", ir::AttrKind::ints}};

/// Finds the elements of constants that carry_graph described.
class Resolver {
 public:
  explicit Resolver(const engine_file::Image& image)
      : image_(image), left_(kMostTimes * (image.weights.size() + image.graph_data.size())) {}

  std::shared_ptr<const ir::Constant> operator()(DType dtype, const Shape& shape, const ir::Attrs& given) {
    const ir::AttrReader attrs(kStored, given);
    attrs.check("a stored constant");
    if (dtype == DType::string) fail("strings have no elements to store");
    const std::int64_t needed = storage_bytes(dtype, shape);
    const std::span<const std::byte> block = block_of(attrs);
    if (static_cast<std::uint64_t>(needed) > block.size())
      fail("a constant {} {} takes {} bytes, its block has {}", dtype_name(dtype), to_string(shape), needed,
           block.size());
    // Any number of constants may name one block; each is unpacked, or packed again, for itself.
    if (static_cast<std::uint64_t>(needed) > left_)
      fail("the constants take more than {} times the stored bytes", kMostTimes);
    left_ -= static_cast<std::uint64_t>(needed);
    if (attrs.has("format")) return unpack(dtype, shape, block, attrs);
    if (attrs.has("stride")) return arrange(dtype, shape, block, attrs);
    return ir::borrow_constant(dtype, shape, block.first(static_cast<std::size_t>(needed)), image_.owner);
  }

 private:
  std::span<const std::byte> block_of(const ir::AttrReader& attrs) const {
    const bool data = attrs.has("data");
    const std::span<const std::byte> section = data ? image_.graph_data : image_.weights;
    const std::int64_t at = attrs.i(data ? "data" : "weights"), bytes = attrs.i("bytes");
    const auto end = static_cast<std::int64_t>(section.size());
    if (at < 0 || bytes < 0 || at > end || bytes > end - at || (at % 64 != 0 && attrs.has("format")))
      fail("bytes [{}, +{}) leave the {} bytes of {}", at, bytes, end, data ? "graph_data" : "weights");
    const auto block = section.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(bytes));
    // A changed weight would go on unnoticed under the checksum of what it is packed into next.
    if (fmt::format("{:016x}", hash64(block)) != attrs.s("sum")) fail("the bytes [{}, +{}) have changed", at, bytes);
    return block;
  }

  static std::shared_ptr<const ir::Constant> unpack(DType dtype, const Shape& shape, std::span<const std::byte> block,
                                                    const ir::AttrReader& attrs) {
    const std::string name = attrs.s("format");
    const PackedFormat* format = find_packed_format(name);
    if (format == nullptr)
      fail("the weights are packed as '{}', which this build of monza does not know: they cannot be unpacked", name);
    const std::int64_t input = attrs.i("input");
    if (input < 0 || input >= 16) fail("they are input {} of a kernel, which has 16 at most", input);
    std::vector<std::byte> params = from_hex(attrs.s("params"));
    params.resize(params.size() + plan::kParamsRoom);
    std::vector<OperandDesc> in(static_cast<std::size_t>(input) + 1);
    in.back() = {.dtype = dtype, .constant = true, .shape = shape};
    KernelQuery query;
    query.params = params.data();
    query.in = in.data();
    query.in_count = static_cast<int>(in.size());
    if (format->bytes(query, static_cast<int>(input)) > block.size())
      fail("a constant {} {} packed as '{}' does not fit into its block of {} bytes", dtype_name(dtype),
           to_string(shape), name, block.size());
    auto [constant, bytes] = ir::allocate_constant(dtype, shape);
    format->unpack(query, static_cast<int>(input), block.data(), bytes.data());
    return constant;
  }

  static std::shared_ptr<const ir::Constant> arrange(DType dtype, const Shape& shape, std::span<const std::byte> block,
                                                     const ir::AttrReader& attrs) {
    const std::vector<std::int64_t> stride = attrs.ints("stride");
    const std::int64_t layout = attrs.i("layout");
    if (stride.size() != static_cast<std::size_t>(shape.rank) || layout < 0 ||
        layout >= static_cast<std::int64_t>(Layout::packed))
      fail("layout {} and {} strides do not fit {} axes", layout, stride.size(), shape.rank);
    TensorView from = dense_view(const_cast<std::byte*>(block.data()), dtype, shape);
    from.layout = static_cast<Layout>(layout);
    for (std::size_t a = 0; a < stride.size(); ++a) from.stride[a] = stride[a];
    const std::int64_t end = plan::reach(dtype, from.layout, shape, from.stride, 0);
    if (end < 0 || static_cast<std::uint64_t>(end) > block.size())
      fail("its strides leave its block of {} bytes", block.size());
    auto [constant, bytes] = ir::allocate_constant(dtype, shape);
    const TensorView to = dense_view(bytes.data(), dtype, shape);
    Serial serial;
    KernelContext context;
    context.in = &from;
    context.in_count = 1;
    context.out = &to;
    context.out_count = 1;
    context.parallel = &serial;
    if (const Status status = find_kernel("copy_ref")->run(context); !status) fail("{}", status.message());
    return constant;
  }

  static constexpr std::uint64_t kMostTimes = 4;

  const engine_file::Image& image_;
  std::uint64_t left_;
};

}  // namespace

CarriedGraph carry_graph(const ir::Graph& graph, const plan::WeightStore& weights, std::shared_ptr<SpoolFile> spool) {
  plan::WeightStore originals(std::move(spool));
  ir::PrintOptions options;
  options.complete = true;
  options.stored = [&](const std::shared_ptr<const ir::Constant>& constant) {
    const plan::StoredConstant found = weights.find(*constant);
    if (found.block < 0) return place("data", originals, originals.plain(constant, ""));
    ir::Attrs attrs = place("weights", weights, found.block);
    if (found.format != nullptr) {
      attrs.set("format", std::string(found.format->name));
      attrs.set("input", static_cast<std::int64_t>(found.input));
      attrs.set("params", hex(found.params));
    } else if (found.rearranged) {
      attrs.set("layout", static_cast<std::int64_t>(found.layout));
      attrs.set("stride", found.stride);
    }
    return attrs;
  };
  CarriedGraph carried;
  carried.text = ir::print(graph, options);
  carried.data = originals.assemble();
  return carried;
}

std::unique_ptr<ir::Graph> read_carried_graph(const engine_file::Image& image, const Limits& limits) {
  ir::ParseOptions options;
  options.limits = limits;
  options.stored = Resolver(image);
  try {
    check_limits(limits);
    std::unique_ptr<ir::Graph> graph = ir::parse(image.graph, options);
    ir::verify(*graph);
    return graph;
  } catch (const Error& e) {
    throw e.at("the graph that the engine carries");
  } catch (const std::out_of_range& e) {
    throw Error(fmt::format("a number of it leaves its table ({})", e.what())).at("the graph that the engine carries");
  }
}

}  // namespace monza
