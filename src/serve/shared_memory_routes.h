// The routes of shared memory, in JSON.
#pragma once

#include <string_view>

#include "serve/service.h"

namespace monza::serve {

/// Of one of Route::What::shared_*. Throws RequestError.
Answer answer_shared_memory(SharedMemory& memory, const Route& route, std::string_view body);

}  // namespace monza::serve
