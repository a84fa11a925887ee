"""A host that behaves like python-socketio 5.15.1 and later, for machines with an older version. It
implements the pub/sub manager of socketio/pubsub_manager.py with the standard library and the package
redis.

    python_host.py <url of Redis> <channel>

The clients of the host exist only in a table. The host reads commands, and prints the events that its
clients receive. Both are lines of JSON, in which bytes are {"base64": …}. If an event requests an
acknowledgement, the client acknowledges it with "acked" and the first argument.
"""
import base64
import json
import sys
import threading
import uuid

import redis

url, channel = sys.argv[1:]
HOST_ID = uuid.uuid4().hex
connection = redis.Redis.from_url(url)
pubsub = connection.pubsub(ignore_subscribe_messages=True)

lock = threading.RLock()
rooms = {}  # rooms[namespace][room] = {sid: True, …}; the room None contains all clients
callbacks = {}  # callbacks[id] = a threading.Event; its attribute args is the answer


def say(**line):
    with lock:
        print(json.dumps(encode(line)), flush=True)


def encode(value):
    if isinstance(value, bytes):
        return {'base64': base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    if isinstance(value, dict):
        return {key: encode(each) for key, each in value.items()}
    return value


def decode(value):
    if isinstance(value, list):
        return [decode(each) for each in value]
    if isinstance(value, dict):
        if 'base64' in value:
            return base64.b64decode(value['base64'])
        return {key: decode(each) for key, each in value.items()}
    return value


# The equivalents of Packet.deconstruct_binary() and Packet.reconstruct_binary()

def deconstruct(value, attachments):
    if isinstance(value, bytes):
        attachments.append(value)
        return {'_placeholder': True, 'num': len(attachments) - 1}
    if isinstance(value, list):
        return [deconstruct(each, attachments) for each in value]
    if isinstance(value, dict):
        return {key: deconstruct(each, attachments) for key, each in value.items()}
    return value


def reconstruct(value, attachments):
    if isinstance(value, list):
        return [reconstruct(each, attachments) for each in value]
    if isinstance(value, dict):
        if value.get('_placeholder') and 'num' in value:
            return attachments[value['num']]
        return {key: reconstruct(each, attachments) for key, each in value.items()}
    return value


# The equivalents of BaseManager and Manager

def is_connected(sid, namespace):
    return sid in rooms.get(namespace, {}).get(None, ())


def basic_enter_room(sid, namespace, room):
    rooms.setdefault(namespace, {}).setdefault(room, {})[sid] = True


def basic_leave_room(sid, namespace, room):
    rooms.get(namespace, {}).get(room, {}).pop(sid, None)


def basic_close_room(room, namespace):
    rooms.get(namespace, {}).pop(room, None)


def basic_disconnect(sid, namespace):
    if is_connected(sid, namespace):
        for members in rooms[namespace].values():
            members.pop(sid, None)
        say(to=sid, disconnect=True)


def get_participants(namespace, room):
    ns = rooms.get(namespace, {})
    if hasattr(room, '__len__') and not isinstance(room, str):
        participants = dict(ns.get(room[0], {}))
        for each in room[1:]:
            participants.update(ns.get(each, {}))
        return participants
    return dict(ns.get(room, {}))


def basic_emit(event, data, namespace, room, skip_sid, callback):
    if namespace not in rooms:
        return
    if isinstance(data, tuple):
        data = list(data)
    elif data is not None:
        data = [data]
    else:
        data = []
    if not isinstance(skip_sid, list):
        skip_sid = [skip_sid]
    for sid in get_participants(namespace, room):
        if sid not in skip_sid:
            say(to=sid, event=event, args=data)
            if callback:
                callback('acked', *data[:1])


# The equivalent of PubSubManager

def publish(message):
    connection.publish(channel, json.dumps(message))


def emit(event, data, namespace, room, skip_sid, callback=None):
    data = list(data) if isinstance(data, tuple) else [data]
    attachments = []
    tree = deconstruct(data, attachments)
    binary = len(attachments) > 0
    if binary:
        data = [tree, *[base64.b64encode(each).decode() for each in attachments]]
    message = {'method': 'emit', 'event': event, 'data': data, 'binary': binary,
               'namespace': namespace, 'room': room, 'skip_sid': skip_sid, 'callback': callback,
               'host_id': HOST_ID}
    handle_emit(message)
    publish(message)


def return_callback(host_id, sid, namespace, callback_id, args):
    if host_id == HOST_ID:
        trigger_callback(callback_id, args)
    else:
        publish({'method': 'callback', 'host_id': host_id, 'sid': sid, 'namespace': namespace,
                 'id': callback_id, 'args': args})


def trigger_callback(callback_id, args):
    waiting = callbacks.pop(callback_id, None)
    if waiting is not None:
        waiting.args = args
        waiting.set()


def handle_emit(message):
    remote = message.get('callback')
    callback = None
    if remote is not None and len(remote) == 3:
        def callback(*args):
            return_callback(message.get('host_id'), *remote, args)
    data = message['data']
    if message.get('binary'):
        data = reconstruct(data[0], [base64.b64decode(each) for each in data[1:]])
    if isinstance(data, list):
        data = data[0] if len(data) == 1 else tuple(data)
    basic_emit(message['event'], data, message.get('namespace'), message.get('room'),
               message.get('skip_sid'), callback)


def handle(message):
    method, sid, namespace = (message.get(key) for key in ('method', 'sid', 'namespace'))
    if method == 'callback':
        if message.get('host_id') == HOST_ID:
            trigger_callback(message['id'], message['args'])
    elif message.get('host_id') == HOST_ID:
        pass
    elif method == 'emit':
        handle_emit(message)
    elif method == 'disconnect':
        basic_disconnect(sid, namespace)
    elif method == 'enter_room' and is_connected(sid, namespace):
        basic_enter_room(sid, namespace, message.get('room'))
    elif method == 'leave_room' and is_connected(sid, namespace):
        basic_leave_room(sid, namespace, message.get('room'))
    elif method == 'close_room':
        basic_close_room(message.get('room'), namespace)


def listen():
    for published in pubsub.listen():
        if published['type'] == 'message':
            with lock:
                handle(json.loads(published['data']))


def run(command, options):
    namespace = options.get('namespace', '/')
    sid, room = options.get('sid'), options.get('room')
    if command == 'connect':
        sid = uuid.uuid4().hex
        with lock:
            basic_enter_room(sid, namespace, None)
            basic_enter_room(sid, namespace, sid)
        return sid
    if command in ('emit', 'call'):
        args = options['args']
        data = None if len(args) == 0 else args[0] if len(args) == 1 else tuple(args)
        callback = None
        if command == 'call':
            waiting = threading.Event()
            callbacks[1] = waiting
            callback = (options['to'], namespace, 1)
        with lock:
            emit(options['event'], data, namespace, options.get('to'), options.get('skip_sid'),
                 callback)
        if command == 'emit':
            return None
        if not waiting.wait(30):
            raise TimeoutError()
        return waiting.args[0] if len(waiting.args) == 1 else waiting.args
    with lock:
        if command == 'rooms':
            return [name for name, members in rooms[namespace].items() if name and sid in members]
        message = {'method': command, 'sid': sid, 'room': room, 'namespace': namespace}
        message = {key: value for key, value in message.items() if value is not None}
        # A command for a client of this host is not published.
        if command == 'close_room' or not is_connected(sid, namespace):
            publish({**message, 'host_id': HOST_ID})
        handle(message)
    return None


pubsub.subscribe(channel)
threading.Thread(target=listen, daemon=True).start()
say(pickles=False, args_list=True, enter_room=True)
for line in sys.stdin:
    command, options = json.loads(line)
    say(result=run(command, decode(options)))
