// What the environment asks of the stand-in, read once by each library:
//
//   CVX_STAND_IN_DEVICES   number of devices (1)
//   CVX_STAND_IN_MEMORY    bytes of memory of each device (2 GiB)
//   CVX_STAND_IN_FAIL      name of a kernel whose launches fail
//   CVX_STAND_IN_REFUSE    number of an allocation, from 1, that finds no memory
//   CVX_STAND_IN_REVERSE   1 runs blocks and threads in descending order
//   CVX_STAND_IN_SCRIBBLE  1 overwrites what a routine may leave behind but
//                          does not promise to keep
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>

#include "report.h"

namespace stand_in {

struct Settings {
    int devices = static_cast<int>(number("CVX_STAND_IN_DEVICES", 1));
    std::size_t memory = number("CVX_STAND_IN_MEMORY", std::size_t{2} << 30);
    std::string failing = text("CVX_STAND_IN_FAIL");
    std::size_t refused = number("CVX_STAND_IN_REFUSE", 0);
    bool reverse = text("CVX_STAND_IN_REVERSE") == "1";
    bool scribble = text("CVX_STAND_IN_SCRIBBLE") == "1";

private:
    static std::string text(const char* name) {
        const char* value = std::getenv(name);
        return value ? value : "";
    }
    static std::size_t number(const char* name, std::size_t otherwise) {
        const std::string value = text(name);
        if (value.empty()) return otherwise;
        char* end;
        const std::size_t parsed = std::strtoull(value.c_str(), &end, 10);
        if (*end != '\0') fatal("%s is not a number: %s", name, value.c_str());
        return parsed;
    }
};

inline const Settings& settings() {
    static const Settings read;
    return read;
}

}  // namespace stand_in
