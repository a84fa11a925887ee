"""Prints what python-socketio publishes, as the lines of python-socketio.json: the version that is
installed, or the one in PYTHONPATH.

    /usr/bin/python3 tests/vectors/python-socketio.py 5.7.2
    PYTHONPATH=<sources of another version> /usr/bin/python3 tests/vectors/python-socketio.py 5.16.3
"""
import json
import pickle
import sys

from socketio import pubsub_manager

version = sys.argv[1]
PICKLES = hasattr(pubsub_manager, 'pickle')


class Server:
    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class Manager(pubsub_manager.PubSubManager):
    def __init__(self):
        super().__init__()
        self.host_id = '48a60123456789abcdef0123456789ab'
        self.server = Server()
        self.published = None

    def _publish(self, data):
        self.published = pickle.dumps(data) if PICKLES else json.dumps(data).encode()


def publish(name, act):
    manager = Manager()
    try:
        act(manager)
    except Exception as error:
        print(name, repr(error), file=sys.stderr)
        return
    form = 'hex' if PICKLES else 'text'
    body = manager.published.hex() if PICKLES else manager.published.decode()
    print(json.dumps({'version': version, 'name': name, form: body}))


def emit(name, data, **options):
    publish(name, lambda manager: manager.emit('ev', data, namespace='/', **options))


emit('object', {'a': 1})
emit('None', None)
emit('empty tuple', ())
emit('tuple', ('a', 2, [3]))
emit('list', [1, 2])
emit('string', 'h\u00e9 \U0001f600')
emit('constants', [float('nan'), float('inf'), float('-inf'), 'NaN "Infinity'])
emit('large int', 2 ** 53 + 2)
emit('larger int', -(2 ** 80))
emit('lone surrogate', 'a\ud800b')
emit('scalars', [None, True, False, 0, -1, 255, 256, 65536, -70000, 1.5, 2 ** 31])
emit('bytes', {'b': b'\x00\xff', 'x': [b'q']})
emit('bytes alone', b'\x00\xff')
emit('bytes in a tuple', (b'\x00', 1))
emit('the same list twice', [['a', 'a']] * 2)
emit('room', 1, room='r1')
emit('rooms', 1, room=['r1', 'r2'])
emit('numeric room', 1, room=7)
emit('one skip_sid', 1, skip_sid='s1')
emit('two skip_sids', 1, skip_sid=['s1', 's2'])
emit('callback', 1, room='s1', callback=lambda *args: None)
publish('answer', lambda manager: manager._return_callback(
    'ffff0123456789abcdef0123456789ab', 's1', '/', 1, 'acked', {'q': 1}))
publish('disconnect', lambda manager: manager.disconnect('s1', '/'))
publish('close room', lambda manager: manager.close_room('r1', '/'))
if hasattr(pubsub_manager.PubSubManager, 'enter_room') and not PICKLES:
    publish('enter room', lambda manager: manager.enter_room('s1', '/', 'rx'))
    publish('leave room', lambda manager: manager.leave_room('s1', '/', 'rx'))
