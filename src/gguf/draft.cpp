#include "gguf/draft.h"

namespace monza::gguf {

void Draft::set(std::string_view key, const std::vector<std::string>& values) {
  auto array = std::make_shared<Array>();
  for (const std::string& v : values) array->texts.push_back(keep(v));
  add(keep(key), Value(std::shared_ptr<const Array>(std::move(array))));
}

void Draft::set(std::string_view key, std::vector<std::int64_t> values) {
  auto array = std::make_shared<Array>();
  array->integers = std::move(values);
  add(keep(key), Value(std::shared_ptr<const Array>(std::move(array))));
}

void Draft::set(std::string_view key, std::vector<double> values) {
  auto array = std::make_shared<Array>();
  array->numbers = std::move(values);
  add(keep(key), Value(std::shared_ptr<const Array>(std::move(array))));
}

void Draft::set_tensor(std::string_view name, TensorInfo tensor) {
  tensor.name = keep(name);
  add(std::move(tensor));
}

void Draft::set_tensor(std::string_view name, const Shape& shape, std::vector<float> values) {
  const auto kept = std::make_shared<const std::vector<float>>(std::move(values));
  set_tensor(name, {.name = {},
                    .dtype = DType::f32,
                    .shape = shape,
                    .bytes = std::as_bytes(std::span(*kept)),
                    .file = nullptr,
                    .owner = kept});
}

}  // namespace monza::gguf
