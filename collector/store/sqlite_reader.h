// Queries on a read-only connection of their own: they neither wait for the writer nor hold it up.
// Owner: whoever opened it, one thread at a time. Errors: a row that cannot be read back is
// DataLoss.
#pragma once

#include <filesystem>
#include <memory>

#include "collector/store/store.h"

namespace picket::sqlite {

absl::StatusOr<std::unique_ptr<StoreReader>> open_reader(const std::filesystem::path& file);

}  // namespace picket::sqlite
