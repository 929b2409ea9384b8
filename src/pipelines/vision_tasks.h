// Picture files in, what is in them out: boxes or classes as JSON, or the picture with them drawn in.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "serve/task.h"

namespace monza::pipelines {

/// A served model that looks at pictures. Safe from any thread; pictures are run one at a time.
class PictureModel {
 public:
  virtual ~PictureModel() = default;
  struct Seen {
    std::string json;     ///< an object
    std::string picture;  ///< the annotated picture, where it was asked for
  };
  /// `file`: JPEG, PNG, WebP, BMP or PPM. `query`: score=0.25 (detectors: the least of a box), top=5 (classifiers).
  /// `form`: "jpeg" or "png" for the annotated picture, "" for none. Throws RequestError: 400 for what is no picture,
  /// or too large.
  virtual Seen see(std::string_view file, std::string_view query, std::string_view form) const = 0;
  virtual const std::string& name() const = 0;
};
using PictureModelPtr = std::shared_ptr<const PictureModel>;

/// Bytes of a picture file: a phone's camera gives less.
constexpr std::uint64_t kMaxPictureFile = std::uint64_t{32} << 20;

/// Null for a model that is no detector of the YOLO families.
PictureModelPtr make_detector(serve::ModelQueue& queue, const ContextOptions& context);
/// Null for a model that is no classifier of pictures.
PictureModelPtr make_classifier(serve::ModelQueue& queue, const ContextOptions& context);

/// POST of a picture file. The query is PictureModel's, and image=jpeg or image=png for the picture in place of JSON.
std::shared_ptr<const serve::Task> picture_task(PictureModelPtr model);
/// Adds `name` to what KServe's HTTP interface answers: a model with the input "image", BYTES [-1], each element a
/// picture file, and the outputs "objects", BYTES [-1], JSON of each, and "picture", BYTES [-1], an annotated JPEG of
/// each (only when it is asked for by name).
void add_picture_model(serve::Service& service, const std::string& name, const PictureModelPtr& model);

}  // namespace monza::pipelines
