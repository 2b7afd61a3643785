// The caller's view of the driver's objects.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace stand_in {

using Opaque = void*;  // any handle

// Objects that the caller knows by address, so that a stale or foreign handle
// is told from a live one.
template <typename T>
class Handles {
public:
    Opaque add(std::unique_ptr<T> object) {
        std::lock_guard<std::mutex> lock(mutex_);
        T* address = object.get();
        live_[address] = std::move(object);
        return address;
    }
    T* find(Opaque handle) {
        std::lock_guard<std::mutex> lock(mutex_);
        const auto found = live_.find(handle);
        return found == live_.end() ? nullptr : found->second.get();
    }
    bool remove(Opaque handle) {
        std::lock_guard<std::mutex> lock(mutex_);
        return live_.erase(handle) != 0;
    }

private:
    std::mutex mutex_;
    std::unordered_map<Opaque, std::unique_ptr<T>> live_;
};

}  // namespace stand_in
