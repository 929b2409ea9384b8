#include "engine/file/image.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "engine/file/format.h"
#include "engine/file/verify.h"
#include "kernel/registry.h"

namespace monza::engine_file {

std::uint64_t kernels_hash() {
  static const std::uint64_t hash = [] {
    std::string text;
    for (const Kernel* k : all_kernels()) {
      text += k->name;
      text += ':' + std::to_string(k->version) + '\n';
    }
    return hash64(text);
  }();
  return hash;
}

Image make_image(Parts parts) {
  auto owner = std::make_shared<Parts>(std::move(parts));
  if (owner->weights.bytes() < owner->plan.weights_bytes)
    fail("the plan has {} bytes of weights, the memory given for them {}", owner->plan.weights_bytes,
         owner->weights.bytes());
  const std::span<const std::byte> weights{owner->weights.data(), static_cast<std::size_t>(owner->plan.weights_bytes)};
  owner->plan.params.resize(owner->plan.params.size() + plan::kParamsRoom);
  verify_plan(owner->plan.view(), owner->plan.weights_bytes);
  for (plan::WeightBlock& b : owner->plan.weight_blocks)
    b.checksum = hash64(weights.subspan(static_cast<std::size_t>(b.offset), static_cast<std::size_t>(b.bytes)));
  for (const plan::KernelRef& ref : owner->plan.kernels) {
    const std::string_view name{owner->plan.strings.data() + ref.name.begin, ref.name.length};
    if (const Kernel* kernel = find_kernel(name)) owner->info.isa = owner->info.isa | kernel->needs;
  }
  Image image;
  image.plan = owner->plan.view();
  image.weights = weights;
  image.graph = owner->graph;
  image.graph_data = {owner->graph_data.data(), static_cast<std::size_t>(owner->graph_data.bytes())};
  image.info = owner->info;
  image.owner = std::move(owner);
  return image;
}

}  // namespace monza::engine_file
