#include "serve/task.h"

#include "serve/json_out.h"

namespace monza::serve {

std::string Task::error(int /*status*/, std::string_view text) const { return error_json(text); }

}  // namespace monza::serve
