/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network link between two ports of loopback, for benchmarks of object storage:
 *
 *   link LISTEN_PORT TARGET_PORT RTT_MS CONNECTION_MB_S TOTAL_MB_S
 *
 * Each direction of each connection delivers what it took half a round trip later, not faster than
 * a connection and all of them together may be; both limits hold for each direction alone. Every
 * line on standard input is answered with the requests and bytes since the last one: "GET=n LIST=n
 * ... up=n down=n connections=n". It ends when standard input does.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1000, RING = 4 << 20, CHUNK = 32 << 10, CHUNKS_MAX = 4096 };

/* One direction of a connection. */
struct flow {
	int from, to;
	char *ring;
	uint64_t in, out; /* bytes taken and delivered since the beginning */
	struct {
		uint64_t due_ns;
		uint32_t len;
	} chunks[CHUNKS_MAX];
	unsigned first, n;
	uint64_t free_ns; /* when the connection's own line is free again */
	bool ended, shut;
};

struct connection {
	bool used;
	struct flow up, down;
};

static struct connection *connections[CONNECTIONS_MAX];
static uint64_t delay_ns, line_free_ns[2];
static double ns_per_byte, total_ns_per_byte;
static uint64_t bytes[2], opened;
static const char *const kinds[] = {"GET", "LIST", "HEAD", "PUT", "POST", "DELETE"};
static uint64_t requests[6];

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
count(const char *p, size_t n)
{
	char line[256];

	snprintf(line, sizeof line, "%.*s", (int)(n < 255 ? n : 255), p);
	for (size_t i = 0; i < 6; i++) {
		size_t len = strlen(kinds[i]);

		if (i == 1 || strncmp(line, kinds[i], len) != 0 || line[len] != ' ')
			continue;
		requests[i == 0 && strstr(line, "list-type=2") ? 1 : i]++;
	}
}

/* Takes what has come, and says when it will be there. */
static void
take(struct flow *f, int direction)
{
	size_t at = f->in % RING, space = RING - (f->in - f->out), n = CHUNK;
	uint64_t now = now_ns(), *line = &line_free_ns[direction], due;
	ssize_t got;

	n = n < space ? n : space;
	n = n < RING - at ? n : RING - at;
	if (n == 0 || f->n == CHUNKS_MAX)
		return;
	got = read(f->from, f->ring + at, n);
	if (got <= 0) {
		f->ended = got == 0 || errno != EAGAIN;
		return;
	}
	if (direction == 0)
		count(f->ring + at, (size_t)got);
	f->free_ns = (f->free_ns > now ? f->free_ns : now) + (uint64_t)((double)got * ns_per_byte);
	*line = (*line > now ? *line : now) + (uint64_t)((double)got * total_ns_per_byte);
	due = (f->free_ns > *line ? f->free_ns : *line) + delay_ns;
	f->chunks[(f->first + f->n) % CHUNKS_MAX].due_ns = due;
	f->chunks[(f->first + f->n++) % CHUNKS_MAX].len = (uint32_t)got;
	f->in += (uint64_t)got;
	bytes[direction] += (uint64_t)got;
}

/* Delivers what is due; returns when the next chunk is, or UINT64_MAX. */
static uint64_t
deliver(struct flow *f, uint64_t now)
{
	while (f->n && f->chunks[f->first].due_ns <= now) {
		size_t at = f->out % RING, n = f->chunks[f->first].len;
		ssize_t sent;

		n = n < RING - at ? n : RING - at;
		sent = send(f->to, f->ring + at, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return now + 200000;
		if (sent < 0) {
			f->ended = true;
			f->n = 0;
			break;
		}
		f->out += (uint64_t)sent;
		f->chunks[f->first].len -= (uint32_t)sent;
		if (f->chunks[f->first].len == 0) {
			f->first = (f->first + 1) % CHUNKS_MAX;
			f->n--;
		}
	}
	if (f->ended && !f->n && !f->shut) {
		shutdown(f->to, SHUT_WR);
		f->shut = true;
	}
	return f->n ? f->chunks[f->first].due_ns : UINT64_MAX;
}

static void
start(int client, int target)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)target),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct connection *c = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX && !c; i++)
		if (!connections[i])
			c = connections[i] = calloc(1, sizeof *c);
	if (!c || connect(server, (struct sockaddr *)&a, sizeof a) < 0) {
		close(client);
		close(server);
		return;
	}
	opened++;
	fcntl(server, F_SETFL, O_NONBLOCK);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->used = true;
	c->up = (struct flow){.from = client, .to = server, .ring = malloc(RING)};
	c->down = (struct flow){.from = server, .to = client, .ring = malloc(RING)};
}

static void
finish(struct connection **c)
{
	close((*c)->up.from);
	close((*c)->up.to);
	free((*c)->up.ring);
	free((*c)->down.ring);
	free(*c);
	*c = NULL;
}

static bool
report(void)
{
	char line[64];

	if (read(0, line, sizeof line) <= 0)
		return false;
	for (size_t i = 0; i < 6; i++)
		printf("%s=%llu ", kinds[i], (unsigned long long)requests[i]);
	printf("up=%llu down=%llu connections=%llu\n", (unsigned long long)bytes[0],
	       (unsigned long long)bytes[1], (unsigned long long)opened);
	fflush(stdout);
	memset(requests, 0, sizeof requests);
	bytes[0] = bytes[1] = opened = 0;
	return true;
}

static bool
wants(const struct flow *f)
{
	return !f->ended && f->in - f->out < RING && f->n < CHUNKS_MAX;
}

/* Everything that is due, and the descriptors to wait for; returns when the next chunk is due. */
static uint64_t
step(struct pollfd *v, struct flow **flows, int *directions, nfds_t *ret_n)
{
	uint64_t now = now_ns(), next = UINT64_MAX;
	nfds_t n = *ret_n;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = connections[i];
		struct flow *f[2];

		if (!c)
			continue;
		f[0] = &c->up;
		f[1] = &c->down;
		for (int d = 0; d < 2; d++) {
			uint64_t due = deliver(f[d], now);

			next = due < next ? due : next;
			if (!wants(f[d]))
				continue;
			v[n] = (struct pollfd){.fd = f[d]->from, .events = POLLIN};
			flows[n] = f[d];
			directions[n++] = d;
		}
		if (c->up.shut && c->down.shut)
			finish(&connections[i]);
	}
	*ret_n = n;
	return next;
}

int
main(int argc, char **argv)
{
	static struct pollfd v[2 + 2 * CONNECTIONS_MAX];
	static struct flow *flows[2 + 2 * CONNECTIONS_MAX];
	static int directions[2 + 2 * CONNECTIONS_MAX];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (argc != 6) {
		fprintf(stderr,
			"usage: link LISTEN_PORT TARGET_PORT RTT_MS CONNECTION_MB_S TOTAL_MB_S\n");
		return 2;
	}
	a.sin_port = htons((uint16_t)atoi(argv[1]));
	delay_ns = (uint64_t)(atof(argv[3]) * 500000);
	ns_per_byte = 1000 / atof(argv[4]);
	total_ns_per_byte = 1000 / atof(argv[5]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 128) < 0) {
		perror("link: listen");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		nfds_t n = 2;
		uint64_t next = step(v, flows, directions, &n), now = now_ns();
		struct timespec t = {.tv_sec = 1};

		v[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		v[1] = (struct pollfd){.fd = 0, .events = POLLIN};
		if (next != UINT64_MAX)
			t = (struct timespec){
				.tv_nsec = next > now ? (long)((next - now) % 1000000000u) : 0};
		if (ppoll(v, n, &t, NULL) < 0)
			continue;
		if (v[0].revents)
			start(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK),
			      atoi(argv[2]));
		if (v[1].revents && !report())
			return 0;
		for (nfds_t i = 2; i < n; i++)
			if (v[i].revents)
				take(flows[i], directions[i]);
	}
}
