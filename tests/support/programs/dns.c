/* A small resolver and those who ask it, all inside one network namespace.
 *   dns serve [ADDRESS]   answers on 127.0.0.1:53, UDP and TCP, that every name is ADDRESS, or
 *                         127.0.0.80, where it serves files: reads until the end, then sends 5,000
 *                         bytes. Returns when it listens, and goes on in the background.
 *   dns ask udp|tcp NAME  asks it for an address
 *   dns fetch BYTES       sends BYTES to 127.0.0.80:8080, then reads to the end
 *   dns try ADDRESS PORT  connects by TCP; whether somebody is there does not matter */
#define _GNU_SOURCE
#include <string.h>

#include "loopback.h"

enum { MESSAGE = 512, FILE_BYTES = 5000 };

static struct sockaddr_in resolver(void) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return address;
}

static struct in_addr named; /* by every name */

/* The question again, and one answer to it. */
static size_t answer(unsigned char* message, size_t length) {
  unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 0, 0, 0, 0};
  memcpy(record + 12, &named, sizeof named);
  if (length < 12 || length + sizeof record > MESSAGE) return 0;
  message[2] |= 0x80;
  message[7] = 1;
  memcpy(message + length, record, sizeof record);
  return length + sizeof record;
}

static void serve_udp(int fd) {
  for (;;) {
    unsigned char message[MESSAGE];
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t got = recvfrom(fd, message, sizeof message, 0, (struct sockaddr*)&peer, &size);
    if (got < 0) give_up("recvfrom");
    size_t length = answer(message, (size_t)got);
    sendto(fd, message, length, 0, (struct sockaddr*)&peer, size);
  }
}

static int framed(int fd, unsigned char* message) {
  unsigned char length[2];
  if (recv(fd, length, 2, MSG_WAITALL) != 2) return -1;
  int size = length[0] << 8 | length[1];
  return size <= MESSAGE && recv(fd, message, (size_t)size, MSG_WAITALL) == size ? size : -1;
}

static void send_framed(int fd, const unsigned char* message, size_t size) {
  unsigned char frame[MESSAGE + 2] = {(unsigned char)(size >> 8), (unsigned char)size};
  memcpy(frame + 2, message, size);
  if (write(fd, frame, size + 2) < 0) give_up("write");
}

static void serve_tcp(int listener) {
  for (;;) {
    unsigned char message[MESSAGE];
    int peer = accept(listener, NULL, NULL);
    int size = framed(peer, message);
    if (size > 0) send_framed(peer, message, answer(message, (size_t)size));
    close(peer);
  }
}

static void serve_files(int listener) {
  for (;;) {
    char block[4096] = "";
    int peer = accept(listener, NULL, NULL);
    while (read(peer, block, sizeof block) > 0) continue;
    for (int left = FILE_BYTES; left > 0; left -= 1000)
      if (write(peer, block, 1000) != 1000) break;
    close(peer);
  }
}

static void serve(const char* name) {
  if (inet_pton(AF_INET, name, &named) != 1) exit(2);
  struct sockaddr_in address = resolver();
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(udp, (struct sockaddr*)&address, sizeof address) != 0) give_up("bind");
  int tcp = listen_on("53");
  int files = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_port = htons(8080);
  address.sin_addr.s_addr = htonl(0x7f000050);
  if (bind(files, (struct sockaddr*)&address, sizeof address) != 0 || listen(files, 16) != 0)
    give_up("listen");
  continue_in_background();
  if (fork() == 0) serve_udp(udp);
  if (fork() == 0) serve_tcp(tcp);
  serve_files(files);
}

static size_t question(unsigned char* message, const char* name) {
  static const unsigned char header[12] = {0x12, 0x34, 1, 0, 0, 1};
  memcpy(message, header, sizeof header);
  size_t at = sizeof header;
  for (const char* label = name; *label;) {
    size_t length = strcspn(label, ".");
    message[at++] = (unsigned char)length;
    memcpy(message + at, label, length);
    at += length;
    label += length + (label[length] == '.');
  }
  static const unsigned char tail[5] = {0, 0, 1, 0, 1};
  memcpy(message + at, tail, sizeof tail);
  return at + sizeof tail;
}

static int ask(const char* way, const char* name) {
  unsigned char message[MESSAGE];
  if (strlen(name) > 200) return 2;
  size_t size = question(message, name);
  struct sockaddr_in address = resolver();
  if (strcmp(way, "tcp") == 0) {
    int fd = connect_to("53");
    send_framed(fd, message, size);
    return framed(fd, message) > 0 ? 0 : 1;
  }
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (sendto(fd, message, size, 0, (struct sockaddr*)&address, sizeof address) < 0)
    give_up("sendto");
  return recv(fd, message, sizeof message, 0) > 0 ? 0 : 1;
}

static int fetch(size_t bytes) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(0x7f000050)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
  char block[1000] = "";
  for (; bytes > 0; bytes -= bytes < sizeof block ? bytes : sizeof block)
    if (write(fd, block, bytes < sizeof block ? bytes : sizeof block) < 0) give_up("write");
  shutdown(fd, SHUT_WR);
  size_t got = 0;
  for (ssize_t part; (part = read(fd, block, sizeof block)) > 0;) got += (size_t)part;
  return got == FILE_BYTES ? 0 : 1;
}

static int try(const char* address, const char* port) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) return 2;
  (void)!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&peer, sizeof peer);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "serve") == 0) serve("127.0.0.80");
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(argv[2]);
  if (argc == 4 && strcmp(argv[1], "ask") == 0) return ask(argv[2], argv[3]);
  if (argc == 3 && strcmp(argv[1], "fetch") == 0) return fetch((size_t)atol(argv[2]));
  if (argc == 4 && strcmp(argv[1], "try") == 0) return try(argv[2], argv[3]);
  return 2;
}
