#include "common/secrets.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "common/message_texts.h"

namespace picket {
namespace {

// Each pattern's first group is the secret, unless the value only looks like one (see `is_honest`).
// Names end in what they mean: TOKEN=x, not TOKEN_FILE=x.
#define PICKET_SECRET_NAME                                                                \
  "(?:password|passwd|passphrase|secret|token|(?:api|access|secret|auth|account|private)" \
  "[_-]?key|[_-]pass|[_-]pwd)"
constexpr std::array kPatterns = {
    // scheme://user:SECRET@host, scheme://SECRET@host
    R"re([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"'<>]*:([^\s/"'<>]+)@)re",
    R"re([a-zA-Z][a-zA-Z0-9+.-]*://([A-Za-z0-9._~-]{20,})@)re",
    R"re(https://hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]{20,}))re",
    R"re((?i)[?&](?:sig|signature|x-amz-signature|x-amz-credential|x-goog-signature)=([^\s&"'#]+))re",
    // NAME=SECRET, --name=SECRET, ?name=SECRET, "name": "SECRET", Name: SECRET
    "(?i)" PICKET_SECRET_NAME R"re(["']?\s?=\s?["']?([^\s"'&;,]+))re",
    R"re((?i)(?:^|[^a-z0-9_./-])[a-z0-9_.-]*)re" PICKET_SECRET_NAME
    R"re(["']?\s?:\s?["']?([^\s"'&;,:/.~][^\s"'&;,]*))re",
    "(?i)" PICKET_SECRET_NAME R"re(["']?\s?[:=]\s?"((?:[^"\\]|\\.)+)")re",
    "(?i)" PICKET_SECRET_NAME R"re(["']?\s?[:=]\s?'([^']+)')re",
    // --name SECRET
    "(?i)(?:^|\\s)--?[a-z0-9-]*" PICKET_SECRET_NAME R"re(\s+["']?([^\s"'-][^\s"']*))re",
    // Of single programs, which take them in other ways.
    R"re(\bcurl\b.*?\s(?:-u|-U|--user|--proxy-user)[ =]?["']?[^\s:"']+:([^\s"']+))re",
    R"re(\bcurl\b.*?\s(?:-b|--cookie)[ =]?["']?([^\s"']+=[^\s"']+))re",
    R"re(\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b.*?\s-p([^\s"']+))re",
    R"re(\bsshpass\b.*?\s-p\s?([^\s"']+))re",
    R"re(\bredis-cli\b.*?\s-a\s+([^\s"']+))re",
    R"re(\bopenssl\b.*?\spass:([^\s"']+))re",
    // Headers
    R"re((?i)authorization["']?\s*[:=]\s*["']?(?:[a-z0-9-]+\s+)?([^\s"',]+))re",
    R"re((?i)\bbearer\s+([a-z0-9._~+/=-]{16,}))re",
    R"re((?i)\bcookie["']?\s*:\s*["']?([^\s"']+))re",
    // Keys of known shape
    R"re(\b((?:AKIA|ASIA)[A-Z0-9]{16})\b)re",
    R"re(\b((?:gh[pousr]|github_pat)_[A-Za-z0-9_]{22,}))re",
    R"re(\b(gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,}))re",
    R"re(\b((?:npm|hf)_[A-Za-z0-9]{30,}))re",
    R"re(\b(sk-(?:ant|proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{20,}))re",
    R"re(\b(sk-[A-Za-z0-9]{32,}))re",
    R"re(\b((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}))re",
    R"re(\b(xox[abeoprs]-[A-Za-z0-9-]{10,}))re",
    R"re(\b(AIza[A-Za-z0-9_-]{35}))re",
    R"re(\b(ya29\.[A-Za-z0-9_-]{20,}))re",
    R"re(\b(pypi-[A-Za-z0-9_-]{50,}))re",
    R"re(\b(dckr_pat_[A-Za-z0-9_-]{20,}))re",
    R"re(\b(dop_v1_[a-f0-9]{40,}))re",
    R"re(\b(hv[sb]\.[A-Za-z0-9_-]{20,}))re",
    R"re(\b(SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}))re",
    R"re(\b(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*))re",
    R"re((?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(.*?)(?:-----END|$))re",
};
#undef PICKET_SECRET_NAME

struct Patterns {
  Patterns() {
    RE2::Options options(RE2::Quiet);
    options.set_encoding(RE2::Options::EncodingLatin1);  // texts of the kernel are bytes
    std::string together;
    for (const char* pattern : kPatterns) {
      single.push_back(std::make_unique<RE2>(pattern, options));
      together += std::string(together.empty() ? "(?:" : "|(?:") + pattern + ")";
    }
    options.set_never_capture(true);
    any = std::make_unique<RE2>(together, options);
  }
  std::vector<std::unique_ptr<RE2>> single;
  std::unique_ptr<RE2> any;  // most texts hold nothing: one look
};

const Patterns& patterns() {
  static const auto* const compiled = new Patterns;
  return *compiled;
}

// A variable that was not filled in, a switch, a small number, where a secret lies.
bool is_honest(std::string_view value) {
  constexpr std::array kWords = {"true", "false", "yes", "no", "none", "null", "on", "off"};
  if (value.empty() || value.front() == '$' || value.front() == '%') return true;
  constexpr std::array kBegins = {"<", "{{", "id=", "type="};
  if (std::ranges::any_of(kBegins, [&](const char* begin) { return value.starts_with(begin); }))
    return true;
  if (std::ranges::any_of(kWords, [&](const char* word) { return value == word; })) return true;
  constexpr size_t kSmall = 3;
  return value.size() <= kSmall &&
         std::ranges::all_of(value, [](char digit) { return digit >= '0' && digit <= '9'; });
}

struct Span {
  size_t begin, end;
};

std::vector<Span> find_secrets(re2::StringPiece text) {
  std::vector<Span> found;
  for (const auto& pattern : patterns().single) {
    size_t from = 0;
    re2::StringPiece groups[2];
    while (from < text.size() &&
           pattern->Match(text, from, text.size(), RE2::UNANCHORED, groups, 2)) {
      const auto begin = static_cast<size_t>(groups[1].data() - text.data());
      const size_t end = begin + groups[1].size();
      if (!is_honest({groups[1].data(), groups[1].size()})) found.push_back({begin, end});
      from = std::max(end, from + 1);
    }
  }
  std::ranges::sort(found, {}, &Span::begin);
  return found;
}

}  // namespace

std::optional<std::string> mask_secrets(std::string_view text) {
  const re2::StringPiece whole(text.data(), text.size());
  if (!patterns().any->Match(whole, 0, whole.size(), RE2::UNANCHORED, nullptr, 0))
    return std::nullopt;
  std::string masked;
  size_t done = 0;
  for (const Span& secret : find_secrets(whole)) {
    if (secret.end <= done) continue;
    if (secret.begin >= done) {
      masked += text.substr(done, secret.begin - done);
      masked += kMask;
    }
    done = secret.end;
  }
  if (done == 0) return std::nullopt;
  masked += text.substr(done);
  return masked == text ? std::nullopt : std::optional(std::move(masked));
}

void mask_secrets(google::protobuf::Message& message) {
  rewrite_texts(message, [](const std::string& text) { return mask_secrets(text); });
}

}  // namespace picket
