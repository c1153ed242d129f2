// What an io_uring opens without an answer, and what it may not open, on real kernel events.
#include <fstream>

#include "bpf/picket/policy.h"
#include "tests/live/rings.h"
#include "tests/support/patience.h"

namespace picket::live {
namespace {

// By then the request has lost its name. Names of one beginning, in one buffer; into a descriptor
// and into the ring's own table; and one that never runs, as what it waited for failed.
TEST_F(Rings, ARefusedOpenIsToldByTheKernelsCopyOfItsName) {
  share();
  const auto box = workspace();
  const std::string folder = path_ + ".a-name-of-more-than-thirty-two-bytes";
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/0") << "text";
  std::filesystem::permissions(folder + "/0", std::filesystem::perms::none);
  const pid_t pid = run(*box, [&](ring& ring) {
    const int table[1] = {-1};
    if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, table, 1) != 0) return 1;
    if (chdir(folder.c_str()) != 0 || setresuid(1000, 1000, 1000) != 0) return 2;
    std::string name = folder + "/0";
    for (const int error : {EACCES, ENOENT}) {
      const int flags = error == EACCES ? O_RDONLY : O_WRONLY;
      for (int twice = 0; twice < 2; ++twice) {
        const Request opens = open_by_ring(AT_FDCWD, name.c_str(), flags);
        if (perform(&ring, &opens) != -error) return 3;
      }
      ++name.back();
    }
    Request relative = open_by_ring(AT_FDCWD, "0", O_RDWR);
    if (perform(&ring, &relative) != -EACCES) return 4;
    relative.file_index = 1;
    relative.open_flags = O_RDWR | O_APPEND;
    return perform(&ring, &relative) == -EACCES ? 0 : 5;
  });
  std::filesystem::remove_all(folder);
  const auto told = told_of(pid, PK_OPEN);
  ASSERT_EQ(told.size(), 4u);
  const std::string names[] = {folder + "/0", folder + "/1", "0", "0"};
  const int errors[] = {-EACCES, -ENOENT, -EACCES, -EACCES};
  for (size_t i = 0; i < told.size(); ++i) {
    const pk_open& open = *told[i].as<pk_open>();
    EXPECT_EQ(told[i].header().call, PK_CALL_openat);
    EXPECT_EQ(told[i].header().flags & PK_USER_TEXT, 0u);
    EXPECT_EQ(told[i].text(open.raw), names[i]);
    EXPECT_EQ(told[i].text(open.directory), i < 2 ? "" : folder);
    EXPECT_EQ(open.result, errors[i]);
    EXPECT_EQ(open.interest, PK_OF_REFUSED);
    EXPECT_EQ(open.writes, i == 0 ? 0 : 1);
  }
}

// More requests than names are kept end without a word, and leave room for those of others.
TEST_F(Rings, WhatNeverRanIsForgotten) {
  share();
  const auto box = workspace();
  const int last = 50 * test::patience();
  const pid_t pid = run(*box, [last](ring& other) {
    ring full{};
    if (!make_ring_of(&full, 2 * PK_RING_NAMES_MAX)) return 1;
    const Request fails = silent(open_by_ring(AT_FDCWD, "/no/such/file", O_RDONLY));
    const Request never = open_by_ring(AT_FDCWD, "/no/such/file/either", O_RDONLY);
    if (perform_chain(&full, &fails, &never, PK_RING_NAMES_MAX + 1) != -ENOENT) return 2;
    // The kernel may clean up behind a chain after it has answered.
    for (int i = 0; i <= last; ++i) {
      const std::string name = "/no/such/file/at-last-" + std::to_string(i);
      const Request refused = open_by_ring(AT_FDCWD, name.c_str(), O_WRONLY);
      if (perform(&other, &refused) != -ENOENT) return 3;
    }
    return 0;
  });
  const auto told = told_of(pid, PK_OPEN);
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back().text(told.back().as<pk_open>()->raw),
            "/no/such/file/at-last-" + std::to_string(last));
  EXPECT_EQ(told.back().as<pk_open>()->result, -ENOENT);
}

TEST_F(Rings, AnOpenThatAsksForNoAnswerIsTold) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [](ring& ring) {
    const Request opens = silent(open_by_ring(AT_FDCWD, "/etc/shadow", O_RDONLY));
    return perform(&ring, &opens);
  });
  const auto told = told_of(pid, PK_OPEN);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].text(told[0].as<pk_open>()->raw), "/etc/shadow");
  EXPECT_EQ(told[0].as<pk_open>()->reads, 1);
}

}  // namespace
}  // namespace picket::live
