// A plugin that throws where it is asked what it has.
#include <stdexcept>

#include "monza/plugin.h"

const monza_plugin* monza_plugin_get() { throw std::runtime_error("no"); }
