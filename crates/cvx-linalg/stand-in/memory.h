// Device memory: host pages behind guards.
//
// Every allocation is a mapping of its own whose data ends where an
// inaccessible page starts, so that reading or writing past the end faults at
// once; freed memory is unmapped, so that a dangling pointer faults too. New
// memory is filled with 0xFF bytes, a NaN in both float types. The table lives
// in the driver's library; the others ask it through the two exported
// functions below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "report.h"

// Whether all the bytes lie in one live allocation.
STAND_IN_EXPORT bool stand_in_holds(const void* address, std::size_t bytes);
// Whether a launch has failed, which spoils the process for good.
STAND_IN_EXPORT bool stand_in_failed();

namespace stand_in {

class Memory {
public:
    // Null when the device has less than that many bytes left, and for the
    // `refused`-th allocation.
    void* allocate(int device, std::size_t total, std::size_t bytes, std::size_t refused) {
        std::lock_guard<std::mutex> lock(mutex_);
        if (++allocations_ == refused) return nullptr;
        const std::size_t taken = round_up(bytes, kGranule);
        if (taken < bytes || taken > total - used_[device]) return nullptr;
        const std::size_t page = page_size();
        const std::size_t body = round_up(bytes, page);
        void* mapping = mmap(nullptr, body + 2 * page, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED) return nullptr;
        auto* first = static_cast<unsigned char*>(mapping) + page;
        if (mprotect(first, body, PROT_READ | PROT_WRITE) != 0) {
            munmap(mapping, body + 2 * page);
            return nullptr;
        }
        std::memset(first, kFill, body);
        unsigned char* data = first + body - round_up(bytes, kAlignment);
        blocks_[data] = {bytes, taken, device, first, body};
        used_[device] += taken;
        return data;
    }

    // False when no allocation starts there.
    bool release(void* address) {
        std::lock_guard<std::mutex> lock(mutex_);
        const auto found = blocks_.find(static_cast<unsigned char*>(address));
        if (found == blocks_.end()) return false;
        const Block block = found->second;
        // The page in front of the data and the alignment gap behind it are
        // not guarded, but they must still hold the fill.
        check_fill(block.first, found->first, "in front of", block.bytes);
        check_fill(found->first + block.bytes, block.first + block.body, "behind", block.bytes);
        used_[block.device] -= block.taken;
        blocks_.erase(found);
        munmap(block.first - page_size(), block.body + 2 * page_size());
        return true;
    }

    bool holds(const void* address, std::size_t bytes) {
        std::lock_guard<std::mutex> lock(mutex_);
        const auto* wanted = static_cast<const unsigned char*>(address);
        auto after = blocks_.upper_bound(const_cast<unsigned char*>(wanted));
        if (after == blocks_.begin()) return false;
        const auto& [data, block] = *--after;
        const auto offset = static_cast<std::size_t>(wanted - data);
        return offset <= block.bytes && bytes <= block.bytes - offset;
    }

    std::size_t used(int device) {
        std::lock_guard<std::mutex> lock(mutex_);
        return used_[device];
    }

private:
    struct Block {
        std::size_t bytes;  // as asked for
        std::size_t taken;  // as charged to the device
        int device;
        unsigned char* first;  // of the accessible pages
        std::size_t body;      // bytes of the accessible pages
    };

    static constexpr unsigned char kFill = 0xFF;
    // The real driver aligns to 256 bytes; the less alignment, the closer the
    // guard, and no scalar or vector type needs more than 16.
    static constexpr std::size_t kAlignment = 16;
    static constexpr std::size_t kGranule = 512;

    static std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
    static std::size_t round_up(std::size_t bytes, std::size_t unit) {
        return (bytes + unit - 1) / unit * unit;
    }
    static void check_fill(const unsigned char* from, const unsigned char* to, const char* where,
                           std::size_t bytes) {
        for (; from != to; ++from)
            if (*from != kFill)
                fatal("something wrote %s a device allocation of %zu bytes", where, bytes);
    }

    std::mutex mutex_;
    std::size_t allocations_ = 0;
    std::map<unsigned char*, Block> blocks_;
    std::map<int, std::size_t> used_;
};

}  // namespace stand_in
