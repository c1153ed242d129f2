// What picketctl's commands share: the options before the command, the collectors that they ask,
// the way to end. What the collectors of several regions answer is one sequence of rows here, each
// with its region's name, so that no command knows how many there are. Owner: main's thread; the
// commands run as callbacks of CLI11's parse, what they ask of a collector on a thread of that
// region. Errors: printed to standard error in one sentence, with the region where it has a name;
// the exit code is part of the stable interface.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/cli/client.h"
#include "collector/cli/merge.h"

namespace picket {

enum ExitCode {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,         // also a context, certificate or key that cannot be used
  kExitInvalid = 3,       // validation found errors
  kExitNoConnection = 4,  // also when it does not trust our certificate: it hangs up without a word
  kExitDenied = 5,
};

ExitCode exit_code_of(const absl::Status& status);

// Of an order: empty, or what is wrong with its reason.
std::string check_reason(const std::string& reason);

class Session {
 public:
  // What one collector is asked, and what of its answer is printed.
  using Query = std::function<absl::Status(Client&, RowSink&)>;
  // Ok: what the order is for is there; NotFound: it is not.
  using Find = std::function<absl::Status(Client&)>;

  std::string context_file;
  std::vector<std::string> regions;  // only these; empty: all of the context
  bool json = false;
  int exit_code = kExitOk;

  // Asks every region at once, and prints their rows as one sequence. What one of them does not
  // have is no failure when another has it. `data_loss`: what that error is worth here.
  void read(const Query& query, const MergeOptions& merge = {}, ExitCode data_loss = kExitFailure);
  // Of a change. Asks exactly one region: the only one, or the only one in which `find` finds its
  // object; it is refused when several have it or one of them cannot say.
  void act(const Query& query, const Find& find = nullptr);

  // Of the regions that are asked.
  absl::StatusOr<std::vector<CliContext>> contexts() const;
  // The first failure's code is the program's.
  void fail(ExitCode code, std::string_view message);

 private:
  using Contexts = std::vector<CliContext>;
  using OnEnd = std::function<void(size_t, const absl::Status&)>;

  Contexts load();                  // empty: that failed
  Contexts fit(Contexts contexts);  // without those whose files are not, which fail
  Contexts locate(Contexts contexts, const Find& find);  // one, or none: that failed
  void ask(const Contexts& contexts, const Query& query, const MergeOptions& merge,
           const OnEnd& on_end);
  void report(const Contexts& contexts, const std::vector<absl::Status>& statuses,
              ExitCode data_loss = kExitFailure);
  void fail(const CliContext& context, ExitCode code, std::string_view message);
};

}  // namespace picket
