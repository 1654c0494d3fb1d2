"""`python -m bench.webhook_receiver PORT`: answers every request with 204, as cheaply as Python can.

A GET answers how many POSTs there have been instead.
"""

import asyncio
import sys

import httptools
import uvloop

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"

count = 0


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        global count
        if self._parser.get_method() == b"GET":
            body = str(count).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self._transport.write(head + body)  # type: ignore[attr-defined]
            return
        count += 1
        self._transport.write(ANSWER)  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
