// Engines without the compiler: loading, saving, looking at them.
#include "monza/engine.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "backend/device.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/file/composed.h"
#include "engine/file/verify.h"
#include "engine/run/context_impl.h"
#include "engine/run/engine_impl.h"
#include "engine/run/replan.h"
#include "kernel/registry.h"
#include "monza/carried_file.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// Bytes of weights: the engine's own, and of data files what the plans' blocks take.
std::int64_t weights_used(const engine_file::Image& image) {
  std::int64_t used = static_cast<std::int64_t>(engine_file::own_weights(image).size()), end = used;
  std::set<std::pair<std::int64_t, std::int64_t>> blocks;  // begin and end; plans share them
  for (std::size_t k = 0; k < image.plan_count(); ++k)
    for (const plan::WeightBlock& b : image.plan_of(k).weight_blocks) blocks.emplace(b.offset, b.offset + b.bytes);
  for (const auto& [from, to] : blocks) {
    used += std::max<std::int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return used;
}

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

/// Widens `all` to what `more` takes too. A dimension that a profile fixes keeps its name from another.
void include(std::vector<TensorInfo>& all, const std::vector<TensorInfo>& more) {
  for (std::size_t i = 0; i < all.size() && i < more.size(); ++i)
    for (std::size_t a = 0; a < all[i].min.size() && a < more[i].min.size(); ++a) {
      all[i].min[a] = std::min(all[i].min[a], more[i].min[a]);
      all[i].max[a] = std::max(all[i].max[a], more[i].max[a]);
      if (all[i].symbols[a].empty()) all[i].symbols[a] = more[i].symbols[a];
    }
}

}  // namespace

std::string_view name_of(DType dtype) { return dtype_name(dtype); }

Engine make_engine(engine_file::Image image, Engine::Stats stats) {
  auto impl = std::make_shared<Engine::Impl>();
  impl->image = std::move(image);
  const auto devices = runtime::open_devices(impl->image.plan, impl->image.weights, impl->image.device_code);
  for (std::size_t k = 0; k < impl->image.plan_count(); ++k) {
    const plan::Plan& plan = impl->image.plan_of(k);
    Engine::Impl::Profile profile;
    profile.program = runtime::make_program(plan, impl->image.weights, impl->image.owner, devices);
    engine_file::verify_kernels(plan, profile.program->kernels);
    ProfileInfo info;
    info.inputs = describe_ports(plan, plan.inputs);
    std::int64_t lower_bound = 0;
    for (const plan::DeviceRef& d : plan.devices) {
      info.arena_bytes += d.arena_bytes;
      lower_bound += d.arena_lower_bound;
    }
    for (const TensorInfo& input : info.inputs) {
      double elements = 1;
      for (const std::int64_t d : input.max) elements *= static_cast<double>(d);
      profile.elements += elements;
    }
    if (k == 0 || info.arena_bytes > stats.arena_bytes) {
      stats.arena_bytes = info.arena_bytes;
      stats.arena_lower_bound_bytes = lower_bound;
    }
    if (k == 0) {
      impl->inputs = info.inputs;
      impl->outputs = describe_ports(plan, plan.outputs);
    } else {
      include(impl->inputs, info.inputs);
      include(impl->outputs, describe_ports(plan, plan.outputs));
    }
    impl->by_size.push_back(k);
    impl->profiles.push_back(std::move(profile));
    impl->profile_infos.push_back(std::move(info));
  }
  std::stable_sort(impl->by_size.begin(), impl->by_size.end(), [&](std::size_t a, std::size_t b) {
    return impl->profiles[a].elements < impl->profiles[b].elements;
  });
  const plan::Plan& first = impl->image.plan;
  stats.weights_bytes = weights_used(impl->image);
  stats.steps = static_cast<int>(first.steps.size());
  stats.threads = first.threads;
  stats.isa = isa_name(impl->image.info.isa);
  stats.precision = impl->image.info.precision;
  stats.device = impl->image.info.device;
  impl->stats = std::move(stats);
  return Engine(std::move(impl));
}

namespace {

/// Makes a stale image fit to run here, or says why that cannot be.
engine_file::Image planned_anew(const std::string& path, engine_file::Image stale, const LoadOptions& options) {
  static constexpr const char* kRebuild = "rebuild with: monza build MODEL --output FILE";
  if (stale.graph.empty())
    fail_hint(kRebuild, "{}; it was built with --strip, so it carries no graph to plan anew", stale.stale);
  if (monza_replan_engine == nullptr)
    fail_hint(
        "rebuild with: monza build FILE --output FILE, which plans it anew, or link the program with monza::build",
        "{}; this program cannot plan it anew, because it links monza::run alone", stale.stale);
  if (!options.replan)
    fail_hint("rebuild with: monza build MODEL --output FILE, or load it with LoadOptions::replan", "{}", stale.stale);
  const auto start = std::chrono::steady_clock::now();
  engine_file::Image fresh;
  try {
    monza_replan_engine(stale, options, fresh);
  } catch (const Error& e) {
    fail_hint(e.hint().empty() ? kRebuild : e.hint(), "{}; planning it anew failed: {}{}", stale.stale,
              e.where().empty() ? "" : e.where() + ": ", e.fact());
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log(LogLevel::warning,
      "'{}': {}. It was planned anew in {:.2f} s, without timing kernels; to do so once and for good: monza build {} "
      "--output {}",
      path, stale.stale, seconds, path, path);
  return fresh;
}

/// Why the engine is not for the device that is here; empty if it is, or if there is none: that is said later.
std::string unfit_for_device(const engine_file::Image& image) {
  const engine_file::Info& info = image.info;
  if (info.device == Device::cpu) return {};
  try {
    const auto device = backend::open_device(info.device);
    if (const std::string here = device->chip(); !info.chip.empty() && here != info.chip)
      return message("the engine was built for {}, and here is {}", info.chip, here);
    for (std::size_t k = 0; k < image.plan_count(); ++k)
      for (const plan::KernelRef& ref : image.plan_of(k).kernels) {
        const std::string_view name = image.plan_of(k).text(ref.name);
        const Kernel* kernel = find_kernel(name);
        if (kernel == nullptr || (kernel->device != info.device && !kernel->reference)) continue;
        if (const std::string missing = device->missing(*kernel); !missing.empty())
          return message("the engine uses {}, and here is no {}", name, missing);
      }
  } catch (const Error&) {
  }
  return {};
}

}  // namespace

Engine Engine::load(const std::string& path, const LoadOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  engine_file::Image image = engine_file::read_engine(path, options);
  if (image.stale.empty()) image.stale = unfit_for_device(image);
  Stats stats;
  Engine engine = [&] {
    try {
      stats.replanned = image.stale;
      if (!image.stale.empty()) image = planned_anew(path, std::move(image), options);
      return make_engine(std::move(image), stats);
    } catch (const Error& e) {
      throw e.at(fmt::format("engine file '{}'", path));
    }
  }();
  // Nobody else has seen the engine yet, so this is the one place that may still write to it.
  const_cast<Engine::Impl&>(engine.impl()).stats.load_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return engine;
}

std::optional<std::span<const std::byte>> carried_file(const Engine& engine, std::string_view name) {
  const auto& carried = engine.impl().image.carried;
  const auto it = carried.find(std::string(name));
  return it == carried.end() ? std::nullopt : std::optional(it->second);
}

bool Engine::is_engine_file(const std::string& path) { return engine_file::is_engine_file(path); }
void Engine::save(const std::string& path) const { engine_file::write_engine(path, impl_->image); }

Context Engine::create_context(const ContextOptions& options) const {
  std::vector<std::shared_ptr<const MappedFile>> files{impl_->image.file};
  for (const engine_file::ExternalFile& f : impl_->image.external) files.push_back(f.file);
  for (const auto& file : files)
    if (file != nullptr && file->shrunk())
      fail_hint("load the engine again; LoadOptions::copy_weights makes an engine independent of its file",
                "the engine's file '{}' has become shorter since it was loaded: its weights are gone",
                file->path().string());
  return Context(std::make_unique<Context::Impl>(impl_, options));
}

const std::vector<TensorInfo>& Engine::inputs() const { return impl_->inputs; }
const std::vector<TensorInfo>& Engine::outputs() const { return impl_->outputs; }
const std::vector<ProfileInfo>& Engine::profiles() const { return impl_->profile_infos; }
std::map<std::string, std::string> Engine::metadata() const { return impl_->image.info.metadata; }
Engine::Stats Engine::stats() const { return impl_->stats; }
std::string Engine::graph_text() const { return std::string(impl_->image.graph); }

}  // namespace monza
