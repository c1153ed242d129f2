// The words by which the values of enumerations are known in fields, rules and JSON. Immutable
// data; included by schemas.h only.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "agent/event/schema.h"

namespace picket::schema {

inline constexpr std::array kFdKinds = std::to_array<Word>({
    {PK_FD_NONE, "none"},
    {PK_FD_FILE, "file"},
    {PK_FD_DIR, "dir"},
    {PK_FD_CHAR, "char"},
    {PK_FD_NULL, "null"},
    {PK_FD_TTY, "tty"},
    {PK_FD_BLOCK, "block"},
    {PK_FD_PIPE, "pipe"},
    {PK_FD_FIFO, "fifo"},
    {PK_FD_INET, "inet"},
    {PK_FD_UNIX, "unix"},
    {PK_FD_SOCKET, "socket"},
    {PK_FD_ANON, "anon"},
});
static_assert(kFdKinds.size() == PK_FD_KIND_END, "every pk_fd_kind needs a word");

inline constexpr std::array kDirections = std::to_array<Word>({
    {PK_DIR_UNKNOWN, "unknown"},
    {PK_DIR_OUTBOUND, "outbound"},
    {PK_DIR_INBOUND, "inbound"},
    {PK_DIR_LISTEN, "listen"},
});
static_assert(kDirections.size() == PK_DIR_END, "every pk_direction needs a word");

inline constexpr std::array kLayers = std::to_array<Word>({
    {PK_LAYER_UNKNOWN, "unknown"},
    {PK_LAYER_IMAGE, "image"},
    {PK_LAYER_UPPER, "upper"},
    {PK_LAYER_MEMFD, "memfd"},
    {PK_LAYER_DELETED, "deleted"},
    {PK_LAYER_MOUNT, "mount"},
});
static_assert(kLayers.size() == PK_LAYER_END, "every pk_layer needs a word");

inline constexpr std::array kConnectSources = std::to_array<Word>({
    {PK_CONNECT_CGROUP, "cgroup"},
    {PK_CONNECT_STATE, "state"},
    {PK_CONNECT_SENDMSG, "sendmsg"},
});
static_assert(kConnectSources.size() == PK_CONNECT_SOURCE_END - 1,
              "every pk_connect_source needs a word");

inline constexpr std::array kAttaches = std::to_array<Word>({
    {0, "none"},
    {PK_ATTACH_ENTER, "enter"},
    {PK_ATTACH_LEAVE, "leave"},
});
static_assert(kAttaches.size() == PK_ATTACH_END, "every pk_attach needs a word");

inline constexpr std::array kFamilies = std::to_array<Word>({
    {AF_INET, "ipv4"},
    {AF_INET6, "ipv6"},
    {AF_UNIX, "unix"},
    {AF_NETLINK, "netlink"},
    {AF_PACKET, "packet"},
    {AF_VSOCK, "vsock"},
    {AF_ALG, "alg"},
    {AF_BLUETOOTH, "bluetooth"},
    {AF_CAN, "can"},
    {AF_TIPC, "tipc"},
    {AF_XDP, "xdp"},
});

inline constexpr std::array kSocketKinds = std::to_array<Word>({
    {0, "none"},
    {SOCK_STREAM, "stream"},
    {SOCK_DGRAM, "dgram"},
    {SOCK_RAW, "raw"},
    {SOCK_RDM, "rdm"},
    {SOCK_SEQPACKET, "seqpacket"},
    {SOCK_PACKET, "packet"},
});

inline constexpr std::array kProtocols = std::to_array<Word>({
    {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},
    {IPPROTO_ICMP, "icmp"},
    {IPPROTO_ICMPV6, "icmpv6"},
    {IPPROTO_SCTP, "sctp"},
    {IPPROTO_DCCP, "dccp"},
    {IPPROTO_UDPLITE, "udplite"},
    {IPPROTO_RAW, "raw"},
});

#define PK_CALL_WORD(name, native, compat, handler, type) {PK_CALL_##name, #name},
inline constexpr std::array kCalls =
    std::to_array<Word>({{PK_CALL_NONE, "none"}, PK_CALLS(PK_CALL_WORD)});
#undef PK_CALL_WORD

}  // namespace picket::schema
