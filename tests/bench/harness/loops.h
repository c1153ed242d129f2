// The loops of a job that are more than a line, by what they exercise. Each runs in the calling
// process and answers with 0 or an errno.
#pragma once

#include <cstdint>

namespace picket::bench {

int connections(uint64_t count);
int datagrams(uint64_t count);
int local_connections(uint64_t count);
int names(uint64_t count);
int standard_input(uint64_t count);
int ring_requests(uint64_t count);
int signals(uint64_t count);
int system_calls(uint64_t count);
int refused_opens(uint64_t count);

}  // namespace picket::bench
