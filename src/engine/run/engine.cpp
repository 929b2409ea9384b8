// Engines without the compiler: loading, saving, looking at them.
#include "monza/engine.h"

#include <chrono>
#include <utility>

#include "base/error.h"
#include "engine/file/verify.h"
#include "engine/run/context_impl.h"
#include "engine/run/engine_impl.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

std::vector<TensorInfo> describe_ports(const plan::Plan& plan, std::span<const plan::ModelPort> ports) {
  std::vector<TensorInfo> list;
  for (const plan::ModelPort& port : ports) {
    TensorInfo info;
    info.name = std::string(plan.text(port.name));
    info.dtype = port.dtype;
    info.kind = static_cast<ValueKind>(port.kind);
    for (int a = 0; a < port.rank; ++a) {
      info.min.push_back(port.min[a]);
      info.opt.push_back(port.opt[a]);
      info.max.push_back(port.max[a]);
      info.symbols.emplace_back(plan.text(port.symbol[a]));
    }
    list.push_back(std::move(info));
  }
  return list;
}

}  // namespace

std::string_view name_of(DType dtype) { return dtype_name(dtype); }

Engine make_engine(engine_file::Image image, Engine::Stats stats) {
  auto impl = std::make_shared<Engine::Impl>();
  impl->image = std::move(image);
  const plan::Plan& plan = impl->image.plan;
  impl->program = runtime::make_program(plan, impl->image.weights, impl->image.owner);
  engine_file::verify_kernels(plan, impl->program->kernels);
  impl->inputs = describe_ports(plan, plan.inputs);
  impl->outputs = describe_ports(plan, plan.outputs);
  for (const plan::DeviceRef& d : plan.devices) {
    stats.arena_bytes += d.arena_bytes;
    stats.arena_lower_bound_bytes += d.arena_lower_bound;
  }
  stats.weights_bytes = plan.weights_bytes;
  stats.steps = static_cast<int>(plan.steps.size());
  stats.threads = plan.threads;
  stats.isa = isa_name(impl->image.info.isa);
  stats.precision = impl->image.info.precision;
  stats.device = impl->image.info.device;
  impl->stats = std::move(stats);
  return Engine(std::move(impl));
}

Engine Engine::load(const std::string& path, const LoadOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  engine_file::Image image = engine_file::read_engine(path, options);
  Engine engine = [&] {
    try {
      return make_engine(std::move(image), {});
    } catch (const Error& e) {
      throw e.at(fmt::format("engine file '{}'", path));
    }
  }();
  // Nobody else has seen the engine yet, so this is the one place that may still write to it.
  const_cast<Engine::Impl&>(engine.impl()).stats.load_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return engine;
}

bool Engine::is_engine_file(const std::string& path) { return engine_file::is_engine_file(path); }
void Engine::save(const std::string& path) const { engine_file::write_engine(path, impl_->image); }

Context Engine::create_context(const ContextOptions& options) const {
  return Context(std::make_unique<Context::Impl>(impl_, options));
}

const std::vector<TensorInfo>& Engine::inputs() const { return impl_->inputs; }
const std::vector<TensorInfo>& Engine::outputs() const { return impl_->outputs; }
std::map<std::string, std::string> Engine::metadata() const { return impl_->image.info.metadata; }
Engine::Stats Engine::stats() const { return impl_->stats; }
std::string Engine::graph_text() const { return std::string(impl_->image.graph); }

}  // namespace monza
