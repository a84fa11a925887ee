# Debian's Python package websockets as the server under test: the WebSocket layer only.
#
#   apt-get install python3-websockets
#   /usr/bin/python3 conformance/testees/servers/python-websockets.py [port]

import asyncio
import http
import sys

import websockets

WEBSOCKET_MAX_PAYLOAD = 16 * 1024 * 1024


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def refuse_other_paths(path, headers):
    if path.split("?")[0] != "/websocket":
        return http.HTTPStatus.NOT_FOUND, [], b""
    return None


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await websockets.serve(
        echo,
        "127.0.0.1",
        port,
        max_size=WEBSOCKET_MAX_PAYLOAD,
        subprotocols=["echo"],
        process_request=refuse_other_paths,
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
