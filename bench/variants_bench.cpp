// What variants of a model cost in a build session: processor time (user and system) of the first build and of the
// builds after it, without timing kernels.
//   monza_bench_variants MODEL [INPUT=1x128 ...]
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>

#include "engine/session.h"
#include "monza/error.h"

namespace {

double processor_ms() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) * 1e-3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

std::vector<std::int64_t> extents(const std::string& text) {
  std::vector<std::int64_t> list;
  for (std::size_t at = 0; at < text.size(); at = std::min(text.find('x', at), text.size() - 1) + 1)
    list.push_back(std::strtoll(text.c_str() + at, nullptr, 10));
  return list;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    fmt::print(stderr, "monza_bench_variants MODEL [INPUT=1x128 ...]\n");
    return 2;
  }
  monza::BuildOptions options;
  options.tune = false;
  options.strip = true;
  options.threads = 1;
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const auto shape = extents(text.substr(text.find('=') + 1));
    options.shapes[text.substr(0, text.find('='))] = {shape, shape, shape};
  }
  monza::BuildSession session(argv[1]);
  monza::BuildHooks hooks;
  hooks.weights_in_place = true;
  double first = 0;
  const auto build = [&](const std::string& name, const std::function<void(monza::BuildOptions&)>& change,
                         const std::function<void(monza::ir::Graph&)>& before_plan = {}) {
    monza::BuildOptions variant = options;
    change(variant);
    hooks.before_plan = before_plan;
    const double begin = processor_ms();
    const auto engine = session.build(variant, hooks);
    const double ms = processor_ms() - begin;
    if (first == 0) first = ms;
    fmt::print("{:<28} {:9.1f} ms {:6.1f} %   {:10} bytes of new weights, {:2} passes in {:.1f} ms, {:.1f} ms plan\n",
               name, ms, ms / first * 100, session.last().new_weights, session.last().passes, engine.stats().passes_ms,
               engine.stats().plan_ms);
  };
  const auto as_it_is = [](monza::BuildOptions&) {};
  build("first", as_it_is);
  build("the same again", as_it_is);
  for (const char* pass : {"fuse_residual", "fuse_activation", "fuse_bias", "fuse_attention", "fuse_layer_norm"})
    build(fmt::format("without {}", pass), [&](monza::BuildOptions& o) { o.disabled_passes = {pass}; });
  build("constrained by name", [](monza::BuildOptions& o) {
    o.constraints = {{"*", {{monza::Precision::fp32, monza::Precision::int8}, {}}}};
  });
  build("half of the rewrites", [](monza::BuildOptions& o) { o.max_rewrites = 500; });
  build("one node in another precision", as_it_is, [](monza::ir::Graph& graph) {
    graph.constrain(graph.order()[graph.order().size() / 2], {{monza::Precision::fp32}, {}});
  });
  return 0;
} catch (const monza::Error& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 1;
}
