// Picture files in, what is in them out: boxes or classes as JSON, or the picture with them drawn in.
#pragma once

#include <memory>

#include "serve/task.h"

namespace monza::pipelines {

/// POST of a JPEG, PNG, WebP, BMP or PPM file. Query: score=0.25, the least of a box; image=jpeg or image=png for
/// the annotated picture in place of JSON. Null for a model that is no detector of the YOLO families.
std::shared_ptr<const serve::Task> detect_task(serve::ModelQueue& queue, const ContextOptions& context);
/// The same for classifiers. Query: top=5. Null for a model that is no classifier of pictures.
std::shared_ptr<const serve::Task> classify_task(serve::ModelQueue& queue, const ContextOptions& context);

}  // namespace monza::pipelines
