#include "tools/args/language_inputs.h"

#include <algorithm>
#include <random>

#include "monza/carried_file.h"
#include "tools/args/given_inputs.h"
#include "tools/args/input_numbers.h"

namespace monza::tool {
namespace {

using Numbers = std::vector<std::int64_t>;

Tensor tensor_of(const Numbers& numbers) {
  Tensor tensor(DType::i64, {static_cast<std::int64_t>(numbers.size())});
  std::copy(numbers.begin(), numbers.end(), tensor.as<std::int64_t>());
  return tensor;
}

/// What an input is where nothing gives it, for `n` tokens.
Tensor default_of(const std::string& name, std::int64_t n, std::int64_t vocabulary, std::uint64_t seed) {
  if (name == "rows") return tensor_of({n - 1});
  Numbers numbers(static_cast<std::size_t>(n));
  std::mt19937_64 draw(seed);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = name == "positions" ? static_cast<std::int64_t>(i)
                                     : static_cast<std::int64_t>(draw() % static_cast<std::uint64_t>(vocabulary));
  return tensor_of(numbers);
}

}  // namespace

std::vector<ModelInput> language_model_inputs() {
  return {{"tokens", DType::i64, true, {-1}, {"n"}},
          {"positions", DType::i64, true, {-1}, {"n"}},
          {"rows", DType::i64, true, {-1}, {"m"}}};
}

bool is_language_model(const Engine& engine) { return carried_file(engine, "gguf").has_value(); }

Prepared prepare_language_model(ModelArgs::Opened opened, const ModelArgs& model, const InputArgs& args) {
  Prepared prepared{std::move(opened), {}, {}, nullptr};
  const Engine& engine = prepared.opened.engine;
  const std::vector<ModelInput> inputs = language_model_inputs();
  const auto shapes = model.run_shapes(engine);
  const auto fits = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    for (const TensorInfo& i : engine.inputs())
      if (i.name == name) check_range(i, shape);
  };
  Given given = read_given(args, inputs, {}, shapes, [] { return std::vector<std::string>{"logits"}; }, fits);
  for (const auto& [name, numbers] : given.numbers)
    given.tensors.insert_or_assign(name, tensor_of_numbers(name, numbers, DType::i64, {-1}));
  if (!given.tensors.contains("tokens") && !args.random) fail_missing({{"tokens", DType::i64, {-1}}}, args);
  for (std::size_t k = 0; k < engine.inputs().size(); ++k) {
    const TensorInfo& info = engine.inputs()[k];
    const auto tokens = given.tensors.find("tokens");
    const std::int64_t n = tokens != given.tensors.end() ? tokens->second.numel() : shapes[0].at(0);
    const auto it = given.tensors.find(info.name);
    Tensor tensor =
        it != given.tensors.end() ? it->second : default_of(info.name, n, engine.outputs().at(0).max.back(), args.seed);
    check_range(info, tensor.shape());
    prepared.inputs.push_back(std::move(tensor));
  }
  const std::int64_t positions = prepared.inputs.at(0).numel();
  const SequencePool pool(engine, {.blocks = static_cast<std::int32_t>(positions / 16 + 2),
                                   .max_positions = std::max<std::int64_t>(positions, 16)});
  prepared.sequence = std::make_shared<Sequence>(pool.create());  // keeps the pool's memory alive
  return prepared;
}

}  // namespace monza::tool
