// The spool meets files that it did not write, and envelopes of any content. Whatever the file: it
// opens, it keeps what is appended, it gives it back in order. What damage it finds only later it
// says, and replacing the file helps.
#include <stdlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "agent/spool/spool.h"
#include "common/utf8.h"
#include "picket/v1/agent.pb.h"
#include "tests/fuzz/spool_input.h"

namespace picket {
namespace {

using Bytes = std::string;

void require(bool condition) {
  if (!condition) std::abort();
}

Bytes read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A folder in memory, emptied for every input; and the bytes of a spool that is in order.
class Place {
 public:
  Place() {
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm/picket-fuzz-XXXXXX"
                                                              : "/tmp/picket-fuzz-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    {
      auto spool = Spool::open(file(), {.boot_id = "fuzz"});
      require(spool.ok());
      std::vector<SpoolItem> items(40);
      for (SpoolItem& item : items) {
        item.priority = static_cast<uint8_t>(&item - items.data()) % 9;
        item.bytes.assign(static_cast<size_t>(&item - items.data()) * 50, 'x');
      }
      require((*spool)->append(items).ok());
    }
    good_ = read(file());
  }
  ~Place() { std::filesystem::remove_all(folder_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  void clear() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      std::filesystem::remove(entry.path());
  }
  std::filesystem::path file() const { return folder_ / "spool.db"; }
  const Bytes& good() const { return good_; }

 private:
  std::filesystem::path folder_;
  Bytes good_;
};

// DataLoss is an answer; after it the file is replaced.
bool works(const absl::Status& status, std::unique_ptr<Spool>& spool) {
  if (status.ok()) return true;
  require(absl::IsDataLoss(status));
  require(Spool::replace(spool).ok());
  return false;
}

void use(std::unique_ptr<Spool>& spool) {
  const uint64_t last = spool->last_sequence();
  std::vector<SpoolItem> items{{0, 3, "appended"}, {0, 0, std::string(3000, 'y')}};
  if (!works(spool->append(items), spool)) return;
  require(items[0].sequence == last + 1 && items[1].sequence == last + 2);
  const auto found = spool->read_from(0, SIZE_MAX >> 1, SIZE_MAX);
  if (!works(found.status(), spool)) return;
  uint64_t previous = 0;
  for (const SpoolItem& item : *found) {
    require(item.sequence > previous);
    previous = item.sequence;
  }
  if (spool->take_loss().value_or(SpoolLoss{}).count == 0) {
    require(found->size() >= 2);
    require(found->back().bytes == items[1].bytes);
  }
  if (!works(spool->acknowledge(items[1].sequence), spool)) return;
  require(spool->first_sequence() == 0);
}

void try_file(const Place& place) {
  auto spool = Spool::open(place.file(), {.max_bytes = 1 << 20, .boot_id = "fuzz"});
  require(spool.ok());
  use(*spool);
  use(*spool);  // perhaps a replaced one
}

void try_envelope(std::string_view bytes) {
  v1::Envelope envelope;
  if (!envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  make_utf8(envelope);
  v1::Envelope again;
  require(again.ParseFromString(envelope.SerializeAsString()));
}

}  // namespace
}  // namespace picket

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace picket;
  static const Place place;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case spool_input::kFile:
      place.clear();
      write(place.file(), rest);
      try_file(place);
      break;
    case spool_input::kLog:
      place.clear();
      write(place.file(), place.good());
      write(place.file().string() + "-wal", rest);
      try_file(place);
      break;
    case spool_input::kPatches: {
      Bytes bytes = place.good();
      for (size_t i = 0; i + 2 < rest.size(); i += 3) {
        const size_t offset = static_cast<uint8_t>(rest[i]) | static_cast<uint8_t>(rest[i + 1])
                                                                  << 8;
        bytes[offset % bytes.size()] = rest[i + 2];
      }
      place.clear();
      write(place.file(), bytes);
      try_file(place);
      break;
    }
    case spool_input::kEnvelope:
      try_envelope(rest);
      break;
    default:
      break;
  }
  return 0;
}
