// Writes the first inputs of dns_fuzz and tls_fuzz: messages of both kinds, for one decoder reads
// the other's without harm as well.
#include <cstdio>
#include <string_view>

#include "agent/detect/replay/test_messages.h"
#include "tests/fuzz/seeds.h"

namespace {

void write(const std::filesystem::path& file, std::string_view bytes) {
  picket::write_seed(file, std::as_bytes(std::span(bytes)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: message_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  const picket::TestDnsMessage question{.name = "www.example.org", .type = "AAAA"};
  write(directory / "question", question.bytes());
  write(directory / "answer",
        picket::TestDnsMessage{.name = "www.example.org",
                               .answers = {"edge.example.org", "192.0.2.1", "2001:db8::1"},
                               .response = true}
            .bytes());
  write(directory / "over_tcp", std::string("\0\x21", 2) + question.bytes());
  write(directory / "hello", picket::tls_hello("www.example.org"));
  return 0;
}
