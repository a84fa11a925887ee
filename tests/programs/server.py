# A python-socketio server, to which tests/client/python.test.ts connects our client.

import asyncio

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[])
app = web.Application()
sio.attach(app)


@sio.event
async def connect(sid, environ, auth):
    if auth and auth.get("token") == "wrong":
        raise socketio.exceptions.ConnectionRefusedError("not you", {"code": 7})


@sio.on("echo")
async def echo(sid, *args):
    return args


@sio.on("ask me")
async def ask_me(sid, question):
    answer = await sio.call("question", question, to=sid)
    return ["answered", answer]


@sio.on("join")
async def join(sid, room):
    sio.enter_room(sid, room)
    await sio.emit("joined", {"room": room, "bytes": b"\x01\x02"}, room=room)


@sio.on("leave me")
async def leave_me(sid):
    await sio.disconnect(sid)


@sio.on("echo", namespace="/admin")
async def admin_echo(sid, *args):
    return args


async def main():
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
