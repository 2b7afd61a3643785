// What the stand-in reads of a PTX text: the interface of a kernel.
//
// The kernels that run are the host compiler's, so the text's instructions are
// never looked at; its parameter lists are, to notice a text that was compiled
// from another version of the source.
#pragma once

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace stand_in {

struct PtxEntry {
    std::vector<std::size_t> parameters;  // sizes in bytes; empty when none is declared
    std::size_t most_threads = 0;         // of a block; 0 when no bound is declared
};

class Ptx {
public:
    explicit Ptx(const char* text) : text_(without_comments(text)) {}

    // Every valid text opens with these two directives.
    bool valid() const {
        return text_.find(".version") != std::string::npos &&
               text_.find(".target") != std::string::npos;
    }

    std::optional<PtxEntry> entry(const std::string& name) const {
        static const std::string directive = ".entry";
        for (std::size_t at = text_.find(directive); at != std::string::npos;
             at = text_.find(directive, at)) {
            at = skip_space(at + directive.size());
            if (text_.compare(at, name.size(), name) != 0) continue;
            const std::size_t open = skip_space(at + name.size());
            if (open >= text_.size() || text_[open] != '(') continue;
            const std::size_t close = text_.find(')', open);
            if (close == std::string::npos) return std::nullopt;
            PtxEntry found;
            read_parameters(text_.substr(open + 1, close - open - 1), found);
            const std::size_t body = text_.find('{', close);
            read_bound(text_.substr(close, body == std::string::npos ? body : body - close), found);
            return found;
        }
        return std::nullopt;
    }

private:
    static std::string without_comments(const char* text) {
        std::string kept;
        for (const char* c = text; *c; ++c) {
            if (c[0] == '/' && c[1] == '/') {
                while (c[1] && c[1] != '\n') ++c;
            } else if (c[0] == '/' && c[1] == '*') {
                for (c += 2; *c && !(c[0] == '*' && c[1] == '/'); ++c) {
                }
                if (!*c) break;
                ++c;
                kept += ' ';
            } else {
                kept += *c;
            }
        }
        return kept;
    }

    std::size_t skip_space(std::size_t at) const {
        while (at < text_.size() && std::isspace(static_cast<unsigned char>(text_[at]))) ++at;
        return at;
    }

    // `.param .u64 .ptr .align 1 name, .param .align 8 .b8 name[16]`
    static void read_parameters(const std::string& list, PtxEntry& entry) {
        static const std::string directive = ".param";
        for (std::size_t at = list.find(directive); at != std::string::npos;) {
            const std::size_t next = list.find(directive, at + directive.size());
            const std::size_t length = next == std::string::npos ? next : next - at;
            entry.parameters.push_back(size_of(list.substr(at, length)));
            at = next;
        }
    }

    static std::size_t size_of(const std::string& declaration) {
        std::size_t size = 0;
        for (std::size_t dot = declaration.find('.'); dot != std::string::npos && size == 0;
             dot = declaration.find('.', dot + 1)) {
            const char kind = dot + 1 < declaration.size() ? declaration[dot + 1] : ' ';
            const int bits = std::atoi(declaration.c_str() + dot + 2);
            if (std::string("usfb").find(kind) != std::string::npos && bits > 0)
                size = static_cast<std::size_t>(bits) / 8;
        }
        const std::size_t bracket = declaration.find('[');
        if (bracket != std::string::npos)
            size *= static_cast<std::size_t>(std::atol(declaration.c_str() + bracket + 1));
        return size;
    }

    // `.maxntid 256, 1, 1`, which `__launch_bounds__` becomes.
    static void read_bound(const std::string& directives, PtxEntry& entry) {
        static const std::string directive = ".maxntid";
        const std::size_t at = directives.find(directive);
        if (at == std::string::npos) return;
        const char* rest = directives.c_str() + at + directive.size();
        entry.most_threads = 1;
        for (;;) {
            char* end;
            const unsigned long side = std::strtoul(rest, &end, 10);
            if (end == rest) break;
            entry.most_threads *= side;
            while (std::isspace(static_cast<unsigned char>(*end))) ++end;
            if (*end != ',') break;
            rest = end + 1;
        }
    }

    std::string text_;
};

}  // namespace stand_in
