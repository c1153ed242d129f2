// How a watcher knows that its call was accepted, before the first alert. A constant, for both ends
// of WatchAlerts and every thread; nothing fails.
#pragma once

namespace picket {

// A key of the call's initial metadata; see proto/picket/v1/operator.proto.
inline constexpr char kWatchingMetadata[] = "picket-watching";

}  // namespace picket
