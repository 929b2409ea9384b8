// Finds objects in a picture with the engine of a YOLO detector, and draws them: what comes before the network and
// behind it is monza::vision.
//   detect ENGINE PICTURE ANNOTATED.png
#include <monza/engine.h>
#include <monza/vision/draw_objects.h>
#include <monza/vision/labels.h>
#include <monza/vision/objects.h>

#include <cstdio>

namespace vision = monza::vision;

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: detect ENGINE PICTURE ANNOTATED.png\n");
    return 2;
  }
  const monza::Engine engine = monza::Engine::load(argv[1]);
  monza::Context context = engine.create_context();
  const monza::TensorInfo &input = engine.inputs().at(0), &output = engine.outputs().at(0);  // [1, 3, height, width]
  const int height = static_cast<int>(input.opt.at(2)), width = static_cast<int>(input.opt.at(3));
  const vision::HeadLayout head = vision::identify_head(output.opt, width, height);

  vision::Image picture = vision::load_image(argv[2]);
  monza::Tensor pixels(monza::DType::f32, input.opt);
  const vision::Letterbox box = vision::letterbox(picture, width, height, vision::LetterboxRule::centred, {},
                                                  {pixels.as<float>(), static_cast<std::size_t>(pixels.numel())});
  monza::Status status = context.bind_input(input.name, pixels);
  if (status) status = context.run();
  if (!status) throw monza::Error(context.describe(status));

  const monza::TensorRef values = context.output(output.name);
  const auto found = vision::decode_objects({{values.as<float>(), static_cast<std::size_t>(values.numel())}, {}}, head,
                                            box, {.min_score = 0.25F}, {.iou = 0.45F});
  for (const vision::Object& object : found)
    std::printf("%s %.2f at %.0f,%.0f\n", vision::label_of({}, object.box.class_id).c_str(), object.box.score,
                object.box.x1, object.box.y1);
  std::printf("%zu objects\n", found.size());
  vision::draw_objects(picture, found, {});
  vision::save_image(picture, argv[3]);
  return 0;
} catch (const monza::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
