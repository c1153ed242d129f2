#include "agent/sensor/self_check_program.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace picket {
namespace {

constexpr uint64_t kLoadAddress = 0x400000;
constexpr unsigned kExecutable =
    0x10;  // MFD_EXEC; unknown before 6.3, where memory is executable anyway

struct Program {
  Elf64_Ehdr header;
  Elf64_Phdr segment;
  unsigned char code[9];
};

// exit(0)
constexpr unsigned char kCode[9] = {0x31, 0xff,                    // xor %edi, %edi
                                    0xb8, 0x3c, 0x00, 0x00, 0x00,  // mov $60, %eax
                                    0x0f, 0x05};                   // syscall

Program make_program() {
  Program program{};
  program.header = {
      .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
      .e_type = ET_EXEC,
      .e_machine = EM_X86_64,
      .e_version = EV_CURRENT,
      .e_entry = kLoadAddress + offsetof(Program, code),
      .e_phoff = offsetof(Program, segment),
      .e_shoff = 0,
      .e_flags = 0,
      .e_ehsize = sizeof(Elf64_Ehdr),
      .e_phentsize = sizeof(Elf64_Phdr),
      .e_phnum = 1,
      .e_shentsize = 0,
      .e_shnum = 0,
      .e_shstrndx = 0,
  };
  program.segment = {
      .p_type = PT_LOAD,
      .p_flags = PF_R | PF_X,
      .p_offset = 0,
      .p_vaddr = kLoadAddress,
      .p_paddr = kLoadAddress,
      .p_filesz = sizeof(Program),
      .p_memsz = sizeof(Program),
      .p_align = 0x1000,
  };
  for (size_t i = 0; i < sizeof(kCode); ++i) program.code[i] = kCode[i];
  return program;
}

}  // namespace

FileDescriptor smallest_program() {
  FileDescriptor file(memfd_create("picket-self-check", MFD_CLOEXEC | kExecutable));
  if (!file.valid()) file = FileDescriptor(memfd_create("picket-self-check", MFD_CLOEXEC));
  const Program program = make_program();
  if (!file.valid() || write(file.get(), &program, sizeof(program)) != sizeof(program))
    return FileDescriptor();
  return file;
}

}  // namespace picket
