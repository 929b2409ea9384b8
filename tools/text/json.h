// Values of JSON: for files that build or read them. Those that only pass them on include tools/text/json_text.h.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/text/json_text.h"
