// Rows that several collectors bring at once, made into one sequence. Owner: main's thread, which
// reads them; each source has a thread of its own as long as that takes. Errors: a source's status,
// which takes nothing from the rows of the others.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace picket {

// What picketctl prints of one thing: an object with -o json, lines for people without.
struct Row {
  explicit Row(std::string lines, uint64_t at_ns = 0) : content(std::move(lines)), time_ns(at_ns) {}
  explicit Row(nlohmann::ordered_json object, uint64_t at_ns = 0)
      : content(std::move(object)), time_ns(at_ns) {}

  std::variant<std::string, nlohmann::ordered_json> content;
  uint64_t time_ns;  // 0: of no time
};

// Where a source puts what it has; on its own thread.
class RowSink {
 public:
  virtual bool add(Row row) = 0;             // may wait for the reader; false: enough
  virtual void note(std::string words) = 0;  // for standard error

 protected:
  ~RowSink() = default;
};

struct RowSource {
  std::function<absl::Status(RowSink&)> run;  // adds rows in the order of their time
  std::function<void()> cancel;               // from main's thread: run() shall come to its end
};

struct RowReader {
  std::function<bool(size_t source, Row&)> row;  // false: enough
  std::function<void(size_t source, const std::string& words)> note;
  // Behind the last row of that source; not once it was enough.
  std::function<void(size_t source, const absl::Status& status)> end;
};

struct MergeOptions {
  bool by_time = true;  // of the same time: in the order of the sources; false: as they come
  uint64_t newest = 0;  // only the last so many of all, at the end; 0: all
};

// Until every source has ended, or the reader has enough.
void merge_rows(const std::vector<RowSource>& sources, const MergeOptions& options,
                const RowReader& reader);

}  // namespace picket
