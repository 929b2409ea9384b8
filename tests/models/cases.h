// The ONNX models under MONZA_SHARED with the shapes that tests build them for: those of tests/peers/inputs.py.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace monza::test {

struct ModelCase {
  std::string name;  ///< of the test: letters, digits and underscores
  std::string file;  ///< below MONZA_SHARED/models/onnx
  /// Of inputs with symbolic dimensions.
  std::map<std::string, std::vector<std::int64_t>> shapes;
  float largest = 1;  ///< of its inputs
};

inline std::ostream& operator<<(std::ostream& out, const ModelCase& c) { return out << c.name; }

inline std::map<std::string, std::vector<std::int64_t>> whisper_decoder_shapes(std::int64_t tokens, std::int64_t past,
                                                                               std::int64_t encoded) {
  std::map<std::string, std::vector<std::int64_t>> shapes{{"input_ids", {1, tokens}},
                                                          {"encoder_hidden_states", {1, 1500, 384}}};
  for (int layer = 0; layer < 4; ++layer)
    for (const char* part : {"key", "value"}) {
      const std::string begin = "past_key_values." + std::to_string(layer);
      shapes[begin + ".decoder." + part] = {1, 6, past, 64};
      shapes[begin + ".encoder." + part] = {1, 6, encoded, 64};
    }
  return shapes;
}

/// Every ONNX file of the shared models, each at least once.
inline std::vector<ModelCase> model_cases() {
  const std::string decoder = "whisper-tiny/onnx/decoder_model_merged_quantized.onnx";
  return {
      {"mnist", "opt-mnist.onnx", {}},
      {"nms", "nms-yolov8.onnx", {{"detection", {1, 84, 300}}}},
      {"blazeface", "blazeface_back_256.onnx", {}},
      {"ultraface", "ultraface_RFB_320.onnx", {}},
      {"silero_16k", "silero_vad_v5.onnx", {{"input", {1, 512}}, {"state", {2, 1, 128}}}},
      {"silero_8k", "silero_vad_v5.onnx", {{"input", {1, 256}}, {"state", {2, 1, 128}}}},
      {"efficientnet_lite0", "efficientnet-lite0.onnx", {{"input", {1, 3, 224, 224}}}},
      {"mobilenetv2", "mobilenetv2_fp32_dequant.onnx", {{"input", {1, 3, 224, 224}}}},
      {"mobilenetv2_dynamic", "mobilenetv2_int8_dynamic.onnx", {{"input", {1, 3, 224, 224}}}},
      {"mobilenetv2_qdq", "mobilenetv2_int8_qdq.onnx", {}},
      {"yolov8n", "yolov8n.onnx", {}},
      {"yolov8n_uint8", "yolov8n-uint8.onnx", {}},
      {"yolov8n_cls", "yolov8n-cls_fp32_dequant.onnx", {}},
      {"yolov8n_cls_uint8", "yolov8n-cls-uint8.onnx", {}},
      {"yolox_nano", "yolox_nano.onnx", {}, 255},  // on 0..1 it magnifies rounding
      {"whisper_encoder", "whisper-tiny/onnx/encoder_model_quantized.onnx", {{"input_features", {1, 80, 3000}}}},
      {"whisper_prompt", decoder, whisper_decoder_shapes(4, 0, 0)},
      {"whisper_cached", decoder, whisper_decoder_shapes(1, 4, 1500)},
  };
}

}  // namespace monza::test
