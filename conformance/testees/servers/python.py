# Debian's python-engineio, python-socketio and aiohttp as the server under test.
#
#   apt-get install python3-socketio python3-aiohttp
#   /usr/bin/python3 conformance/testees/servers/python.py [port]

import asyncio

import engineio
import socketio
from aiohttp import web

from aiohttp_echo import serve

# The values of behaviour.ts, in seconds. There is no upgradeTimeout or connectTimeout.
OPTIONS = {
    "async_mode": "aiohttp",
    "ping_interval": 0.3,
    "ping_timeout": 0.2,
    "max_http_buffer_size": 100_000,
    "cors_allowed_origins": "*",
}

app = web.Application()

eio = engineio.AsyncServer(**OPTIONS)
eio.attach(app, "/engine.io/")


@eio.on("message")
async def echo(sid, data):
    await eio.send(sid, data)


# Without this option, events that a handler of "connect" emits are sent before the answer to CONNECT.
sio = socketio.AsyncServer(**OPTIONS, always_connect=True)
sio.attach(app, "/socket.io/")


class Behaviour(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth=None):
        # The `auth` of the client's CONNECT.
        await self.emit("auth", auth if auth is not None else {}, to=sid)

    async def trigger_event(self, event, *args):
        # Event names with a dash cannot be names of methods.
        return await super().trigger_event(event.replace("-", "_"), *args)

    async def on_message(self, sid, *args):
        await self.emit("message-back", args, to=sid)

    async def on_message_with_ack(self, sid, *args):
        return args

    async def on_ask_me(self, sid, *args):
        # The opposite direction: the server asks the client, and sends the client's answer back.
        def answered(*answer):
            return self.emit("answered", answer, to=sid)

        await self.emit("question", args, to=sid, callback=answered)

    async def on_join(self, sid, room):
        self.enter_room(sid, room)

    async def on_to_room(self, sid, room, *args):
        await self.emit("news", args, room=room)

    async def on_disconnect_me(self, sid):
        await self.disconnect(sid)

    async def on_close_me(self, sid):
        environ = sio.get_environ(sid, namespace=self.namespace)
        # This id is the session id of Engine.IO, which differs from that of Socket.IO.
        eio_sid = sio.manager.eio_sid_from_sid(sid, self.namespace)
        await self.disconnect(sid)
        if environ is not None and eio_sid is not None:
            await sio.eio.disconnect(eio_sid)


class Refusing(socketio.AsyncNamespace):
    # This namespace refuses every client.
    async def on_connect(self, sid, environ, auth=None):
        raise socketio.exceptions.ConnectionRefusedError("not here", {"code": 7})


sio.register_namespace(Behaviour("/"))
sio.register_namespace(Behaviour("/custom"))
sio.register_namespace(Refusing("/refusing"))


asyncio.run(serve(app))
