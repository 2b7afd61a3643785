// How the stand-in gives up.
//
// A mistake that a GPU would turn into garbage or a hang is printed and ends
// the process, so that a test cannot pass over it.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace stand_in {

[[noreturn, gnu::format(printf, 1, 2)]] inline void fatal(const char* format, ...) {
    std::fputs("stand-in: ", stderr);
    std::va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::fputc('\n', stderr);
    std::abort();
}

}  // namespace stand_in

#define STAND_IN_EXPORT extern "C" __attribute__((visibility("default")))
