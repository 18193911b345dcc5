# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that counts HTTP requests and does harm to them. It runs in a thread of its own."""
import asyncio
import collections
import re
import socket
import struct
import threading
import time

REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (\S+) HTTP/1\.[01]\r\n")
CHUNK = 256 << 10
SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
NO_MD5 = b'<?xml version="1.0"?><Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is required</Message></Error>'


def kind(method, target):
    """How a request counts: LIST is a GET of a bucket."""
    return "LIST" if method == "GET" and "list-type=2" in target else method


class Proxy:
    """harm: a function of (method, target), asked once for each request, which says what happens to it:

    None: nothing              NNN (a number): this status, without the server
    "cut": reset after half a kilobyte of the answer        "stall": then nothing more comes
    "truncate": the connection is closed there              "refuse": the connection is reset at once
    "late": the server does it, and its answer is lost
    """

    def __init__(self, target, delay=0.0):
        self.target, self.delay = target, delay
        self.harm = None
        self.demand = None      # pattern that the headers of a PUT must have, as a bucket with object lock has it
        self.strip = None       # pattern of headers that the server is not to see
        self.requests = collections.Counter()
        self.log = []
        self.down = self.up = 0
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)

        async def start():
            self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
        self.loop.run_until_complete(start())
        self.ready.set()
        self.loop.run_forever()

    def close(self):
        async def end():
            self.server.close()
            others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for t in others:
                t.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def clear(self):
        self.requests.clear()
        self.log.clear()
        self.down = self.up = 0

    # ---- one connection ----

    @staticmethod
    def reset(writer):
        s = writer.get_extra_info("socket")
        if s is not None:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        writer.transport.abort()

    async def later(self, data, writer, due):
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        writer.write(data)
        await writer.drain()

    async def carry(self, reader, writer, on_data):
        """Moves bytes, each delay later than it came, in order, without waiting for one to arrive before the next is read."""
        queue = asyncio.Queue(64)

        async def deliver():
            while True:
                item = await queue.get()
                if item is None:
                    return
                await self.later(item[0], writer, item[1])
        task = asyncio.create_task(deliver())
        try:
            while data := await reader.read(CHUNK):
                data = on_data(data)
                if data is None:
                    break
                if data:
                    await queue.put((data, time.monotonic() + self.delay))
                if task.done():
                    break
        except (ConnectionError, OSError):
            pass
        await queue.put(None)
        try:
            await task
        except (ConnectionError, OSError):
            pass

    async def handle(self, client_reader, client_writer):
        state = {"harm": None, "down": 0, "body": 0}
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self.reset(client_writer)
            return

        def up(data):
            self.up += len(data)
            for m in REQUEST.finditer(data):
                method, target = m.group(1).decode(), m.group(2).decode()
                self.requests[kind(method, target)] += 1
                self.log.append(f"{method} {target}")
                state["harm"] = self.harm(method, target) if self.harm else None
                state["down"] = 0
                if method == "PUT" and self.demand and not self.demand.search(data):
                    state["harm"] = 400
            if self.strip:
                data = self.strip.sub(b"", data)
            harm = state["harm"]
            if harm == "refuse":
                self.reset(client_writer)
                self.reset(server_writer)
                return None
            if isinstance(harm, int):
                body = SLOW_DOWN if harm in (429, 500, 503) else NO_MD5 if harm == 400 else b""
                client_writer.write(b"HTTP/1.1 %d Harm\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                                    % (harm, len(body), body))
                state["harm"] = "answered"
            return b"" if state["harm"] == "answered" else data

        def down(data):
            harm = state["harm"]
            if harm == "late":
                self.reset(client_writer)
                return None
            if harm in ("cut", "stall", "truncate"):
                keep = data[:max(0, 512 - state["down"])]
                state["down"] += len(data)
                if state["down"] <= 512:
                    return data
                if harm == "cut":
                    self.reset(client_writer)
                    return None
                if harm == "truncate":
                    client_writer.write(keep)
                    client_writer.close()
                    return None
                self.down += len(keep)
                return keep
            self.down += len(data)
            return data

        await asyncio.gather(self.carry(client_reader, server_writer, up), self.carry(server_reader, client_writer, down),
                             return_exceptions=True)
        for w in (client_writer, server_writer):
            try:
                w.close()
            except Exception:
                pass
