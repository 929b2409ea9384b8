#include "tools/vision/settings.h"

namespace monza::tool {

void add_settings(CommandOptions& app, eval::ClassifySettings& settings, const char* group) {
  app.add_option("--mean", settings.mean, "of R,G,B in 0..1; one value stands for all [0.485,0.456,0.406]")
      .delimiter(',')
      .group(group)
      .type_name("R,G,B");
  app.add_option("--std", settings.std, "of R,G,B in 0..1 [0.229,0.224,0.225]")
      .delimiter(',')
      .group(group)
      .type_name("R,G,B");
  app.add_option("--resize", settings.resize, "short side before the crop; 0 for none [the crop times 256/224]")
      .group(group)
      .range(0, 16384);
  app.add_option("--crop", settings.crop, "side of the centre crop [the model's input]").group(group).range(1, 16384);
  app.add_option("--channels", settings.channels, "the order that the model was trained on: rgb or bgr [rgb]")
      .one_of({"rgb", "bgr"})
      .group(group)
      .type_name("ORDER");
}

}  // namespace monza::tool
