#include "agent/enrich/loader_file.h"

#include <elf.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace picket {
namespace {

constexpr size_t kSegmentsMax = 128, kEntriesMax = 1024;

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Entry = Elf32_Dyn;
};
struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Entry = Elf64_Dyn;
};

// False: the file is shorter.
bool read_at(int fd, void* into, size_t size, uint64_t offset) {
  return pread(fd, into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

template <class T>
std::vector<T> read_table(int fd, uint64_t offset, size_t count) {
  std::vector<T> table(count);
  if (!read_at(fd, table.data(), count * sizeof(T), offset)) table.clear();
  return table;
}

template <class Elf>
bool is_loader(int fd) {
  typename Elf::Header header;
  if (!read_at(fd, &header, sizeof header, 0) || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof(typename Elf::Segment) || header.e_phnum > kSegmentsMax)
    return false;
  const typename Elf::Segment* dynamic = nullptr;
  const auto segments =
      read_table<typename Elf::Segment>(fd, header.e_phoff, size_t{header.e_phnum});
  for (const auto& segment : segments) {
    if (segment.p_type == PT_INTERP) return false;
    if (segment.p_type == PT_DYNAMIC) dynamic = &segment;
  }
  if (dynamic == nullptr) return false;
  const size_t count =
      std::min<uint64_t>(dynamic->p_filesz / sizeof(typename Elf::Entry), kEntriesMax);
  const auto entries = read_table<typename Elf::Entry>(fd, dynamic->p_offset, count);
  if (entries.size() != count) return false;
  bool named = false, program = false;
  for (const auto& entry : entries) {
    named |= entry.d_tag == DT_SONAME;
    program |= entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE) != 0;
  }
  return named || !program;
}

}  // namespace

bool is_loader_name(std::string_view path) {
  const std::string name(path.substr(path.find_last_of('/') + 1));
  constexpr std::array<const char*, 6> kNames{"ld-linux*.so.*", "ld-musl-*.so.*", "ld-2.*.so",
                                              "ld-uClibc*.so*", "ld64.so.*",      "ld.so"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](const char* pattern) { return fnmatch(pattern, name.c_str(), 0) == 0; });
}

bool is_loader_file(int fd) {
  std::array<unsigned char, EI_NIDENT> identity{};
  if (!read_at(fd, identity.data(), identity.size(), 0) ||
      std::memcmp(identity.data(), ELFMAG, SELFMAG) != 0)
    return false;
  if (identity[EI_CLASS] == ELFCLASS64) return is_loader<Elf64>(fd);
  return identity[EI_CLASS] == ELFCLASS32 && is_loader<Elf32>(fd);
}

}  // namespace picket
