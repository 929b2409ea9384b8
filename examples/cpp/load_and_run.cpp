// Maps an engine file and runs it twice at once, through tickets and futures, with memory of our own for an output.
//   load_and_run ENGINE
#include <monza/engine.h>
#include <monza/future.h>

#include <cstdio>

namespace {

std::vector<monza::Tensor> bind_zeros(const monza::Engine& engine, monza::Context& context) {
  std::vector<monza::Tensor> inputs;
  for (const monza::TensorInfo& info : engine.inputs()) {
    inputs.emplace_back(info.dtype, info.opt);
    if (monza::Status s = context.bind_input(info.name, inputs.back()); !s) throw monza::Error(context.describe(s));
  }
  return inputs;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: load_and_run ENGINE\n");
    return 2;
  }
  const monza::Engine engine = monza::Engine::load(argv[1]);
  // Two contexts share one copy of the weights; each has its own activations and bindings.
  monza::Context first = engine.create_context(), second = engine.create_context();
  const auto first_inputs = bind_zeros(engine, first), second_inputs = bind_zeros(engine, second);

  const monza::TensorInfo& info = engine.outputs().at(0);
  monza::Tensor mine(info.dtype, info.max);
  if (monza::Status s = second.bind_output(info.name, mine); !s) throw monza::Error(second.describe(s));

  monza::Ticket ticket = first.submit();
  std::future<monza::Status> future = monza::submit_future(second);
  if (monza::Status s = ticket.wait(); !s) throw monza::Error(first.describe(s));
  if (monza::Status s = future.get(); !s) throw monza::Error(second.describe(s));

  std::printf("%s: %lld elements, loaded in %.2f ms\n", info.name.c_str(),
              static_cast<long long>(first.output(0).numel()), engine.stats().load_ms);
  return second.output(0).data == mine.as<void>() ? 0 : 1;
} catch (const monza::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
