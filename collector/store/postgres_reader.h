// Queries on PostgreSQL: they neither wait for the writers nor hold them up. Owner: whoever opened
// it, one thread at a time. Errors: a row that cannot be read back is DataLoss.
#pragma once

#include <memory>

#include "collector/store/postgres_pool.h"
#include "collector/store/store.h"

namespace picket::postgres {

std::unique_ptr<StoreReader> make_reader(std::shared_ptr<Pool> pool);

}  // namespace picket::postgres
