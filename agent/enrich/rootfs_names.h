// The names of users and groups as a container's own /etc/passwd and /etc/group have them when it
// is resolved. The files are the container's to write: a path in them leads nowhere else, what is
// no regular file or too large is left alone. Identity thread. Errors: none that matter, names are
// then unknown.
#pragma once

#include "agent/enrich/completion.h"

namespace picket {

class RootfsNames final : public Completion {
 public:
  absl::Status complete(Workspace& workspace) override;
};

// NAME:PASSWORD:ID:..., one a line, as both files have it; the first name of an id counts.
Names parse_names(std::string_view text);

}  // namespace picket
