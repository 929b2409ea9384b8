// Model folders that tests write: small models of each family whose logits PyPI's transformers computed
// (tests/data/families, made by tests/peers/families_golden.py). For tests that are linked with nlohmann-json.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/data.h"

namespace monza::test {

struct FamilyModel {
  nlohmann::json config, tensors;  ///< config.json; shapes by name
  std::vector<std::int32_t> prompt;
  std::vector<std::vector<float>> logits;  ///< of each position of the prompt
};

/// The names of the files, without their extension.
inline std::vector<std::string> family_models() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("families")))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline FamilyModel family_model(const std::string& name) {
  std::ifstream file(fixture("families/" + name + ".json"));
  const nlohmann::json json = nlohmann::json::parse(file);
  return {json["config"], json["tensors"], json["prompt"].get<std::vector<std::int32_t>>(),
          json["logits"].get<std::vector<std::vector<float>>>()};
}

/// The elements of a tensor, as families_golden.py makes them of its name.
inline std::vector<float> family_values(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::uint64_t seed = 0xCBF29CE484222325u;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  const float middle = shape.size() == 1 && name.ends_with(".weight") ? 1 : 0;
  std::vector<float> values;
  for (std::uint64_t i = 1; i <= count; ++i) {
    std::uint64_t x = seed + i * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    values.push_back(middle + (static_cast<float>(x >> 54) / 1024.0f - 0.5f));
  }
  return values;
}

/// A safetensors file of f32 tensors.
inline void write_safetensors(const std::filesystem::path& path, const nlohmann::json& tensors) {
  nlohmann::json head;
  std::string data;
  for (const auto& [name, shape] : tensors.items()) {
    const std::vector<float> values = family_values(name, shape.get<std::vector<std::int64_t>>());
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    head[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = head.dump();
  const std::uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << text << data;
}

/// Writes config.json and the weights, in two files with an index where `sharded`.
inline void write_model_folder(const std::filesystem::path& folder, const FamilyModel& model, bool sharded = false) {
  std::ofstream(folder / "config.json") << model.config.dump(1);
  if (!sharded) return write_safetensors(folder / "model.safetensors", model.tensors);
  nlohmann::json shards[2], map;
  std::size_t i = 0;
  for (const auto& [name, shape] : model.tensors.items()) {
    shards[i % 2][name] = shape;
    map[name] = i++ % 2 == 0 ? "a.safetensors" : "b.safetensors";
  }
  write_safetensors(folder / "a.safetensors", shards[0]);
  write_safetensors(folder / "b.safetensors", shards[1]);
  std::ofstream(folder / "model.safetensors.index.json") << nlohmann::json{{"weight_map", map}}.dump();
}

}  // namespace monza::test
