// The SQLite schema and its versions. Called once at start by the Writer's owner. Errors: a
// database of a newer Picket, or of another program, is refused in words and left untouched.
#pragma once

#include "absl/status/status.h"
#include "collector/store/sqlite.h"

namespace picket::sqlite {

// Creates the schema or brings an older one up to date, one transaction per version.
absl::Status migrate(const Database& db);

}  // namespace picket::sqlite
