// The one way from the run side to the compiler: a function that programs have only when they link it.
#pragma once

#include "engine/file/image.h"

/// Plans a stale image anew, for this machine and build, from the graph that it carries; of the options count threads
/// (0: what the engine was planned for) and limits. Throws Error. Null in a program that links monza_run alone;
/// monza_build makes the linker take it (cmake/MonzaTargets.cmake).
extern "C" [[gnu::weak]] void monza_replan_engine(const monza::engine_file::Image& stale,
                                                  const monza::LoadOptions& options, monza::engine_file::Image& fresh);
