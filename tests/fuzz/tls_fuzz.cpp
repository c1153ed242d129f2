// The input is what a client sent first. A name, if one is found, is a part of the input and of the
// letters that names have.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <memory>

#include "agent/enrich/tls_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly its size, so that the sanitizer sees one byte too far.
  const auto copy = std::make_unique<char[]>(size);
  std::copy_n(data, size, copy.get());
  const auto name = picket::server_name_of({copy.get(), size});
  if (!name) return 0;
  if (name->empty() || name->data() < copy.get() || name->data() + name->size() > copy.get() + size)
    __builtin_trap();
  for (const char c : *name)
    if (isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' && c != '_')
      __builtin_trap();
  return 0;
}
