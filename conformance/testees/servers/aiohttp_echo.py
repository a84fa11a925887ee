# The server under test is Debian's aiohttp: the WebSocket layer only.
#
#   apt-get install python3-aiohttp
#   /usr/bin/python3 conformance/testees/servers/aiohttp_echo.py [port]

import asyncio
import sys

from aiohttp import web

WEBSOCKET_MAX_PAYLOAD = 16 * 1024 * 1024


async def websocket(request):
    connection = web.WebSocketResponse(max_msg_size=WEBSOCKET_MAX_PAYLOAD, protocols=["echo"])
    await connection.prepare(request)
    async for message in connection:
        if message.type == web.WSMsgType.TEXT:
            await connection.send_str(message.data)
        elif message.type == web.WSMsgType.BINARY:
            await connection.send_bytes(message.data)
    return connection


async def serve(app):
    app.router.add_get("/websocket", websocket)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(web.Application()))
