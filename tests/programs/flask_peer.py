"""A Flask-SocketIO server or publisher that shares one Redis with our servers.

    flask_peer.py serve <url of Redis> <channel>    a server, which first prints its port and features
    flask_peer.py write <url of Redis> <channel>    a process without clients, which reads commands

The server runs the commands that a client sends with the event "do". The process without clients reads each
command as a line of JSON.
"""
import base64
import inspect
import json
import sys

mode, url, channel = sys.argv[1:]

if mode == 'serve':
    import eventlet
    import eventlet.wsgi

    eventlet.monkey_patch()

import flask_socketio
from flask import Flask, request
from socketio import pubsub_manager

PubSubManager = pubsub_manager.PubSubManager


def describe():
    """Returns the features of the installed version of python-socketio."""
    return {
        'pickles': hasattr(pubsub_manager, 'pickle'),
        'args_list': 'data = list(data)' in inspect.getsource(PubSubManager.emit),
        'enter_room': hasattr(PubSubManager, '_handle_enter_room'),
    }


def decode(value):
    """Decodes the bytes in a command, which are {"base64": ...} in JSON."""
    if isinstance(value, list):
        return [decode(each) for each in value]
    if isinstance(value, dict):
        if 'base64' in value:
            return base64.b64decode(value['base64'])
        return {key: decode(each) for key, each in value.items()}
    return value


def data_of(args):
    """Returns several arguments as a tuple, one argument as it is, and no arguments as None."""
    if len(args) == 0:
        return None
    return args[0] if len(args) == 1 else tuple(args)


def run(io, command, options):
    namespace = options.get('namespace', '/')
    if command == 'emit':
        io.emit(options['event'], data_of(options['args']), namespace=namespace,
                to=options.get('to'), skip_sid=options.get('skip_sid'))
    elif command == 'call':
        answer = io.call(options['event'], data_of(options['args']), namespace=namespace,
                         to=options['to'], timeout=30)
        # Flask-SocketIO would send a tuple as several arguments of the acknowledgement.
        return list(answer) if isinstance(answer, tuple) else answer
    elif command == 'close_room':
        io.close_room(options['room'], namespace=namespace)
    elif command == 'disconnect' and mode == 'write':
        io.server.manager.disconnect(options['sid'], namespace)
    elif command == 'disconnect':
        flask_socketio.disconnect(options['sid'], namespace)
    elif command == 'enter_room':
        io.server.enter_room(options['sid'], options['room'], namespace)
    elif command == 'leave_room':
        io.server.leave_room(options['sid'], options['room'], namespace)
    return None


def serve():
    app = Flask(__name__)
    io = flask_socketio.SocketIO(app, message_queue=url, channel=channel, async_mode='eventlet',
                                 cors_allowed_origins='*')

    def join(room):
        flask_socketio.join_room(room)
        return flask_socketio.rooms()

    for namespace in ('/', '/chat'):
        io.on_event('join', join, namespace)
        io.on_event('rooms', lambda: flask_socketio.rooms(), namespace)
        io.on_event('do', lambda command, options: run(io, command, options), namespace)
        io.on_event('say', lambda text: flask_socketio.emit(
            'said', text, broadcast=True, include_self=False), namespace)
        io.on_event('who', lambda: request.sid, namespace)
    listener = eventlet.listen(('127.0.0.1', 0))
    print(json.dumps({'port': listener.getsockname()[1], **describe()}), flush=True)
    eventlet.wsgi.server(listener, app, log_output=False)


def write():
    io = flask_socketio.SocketIO(message_queue=url, channel=channel)
    print(json.dumps(describe()), flush=True)
    for line in sys.stdin:
        command, options = json.loads(line)
        print(json.dumps({'result': run(io, command, decode(options))}), flush=True)


if mode == 'serve':
    serve()
else:
    write()
