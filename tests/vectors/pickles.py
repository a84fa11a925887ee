"""Prints pickles.json: what Python's pickle module writes for data, and for more than data.

    /usr/bin/python3 tests/vectors/pickles.py > tests/vectors/pickles.json && npx biome format --write tests/vectors
"""
import collections
import datetime
import json
import os
import pickle


class Evil:
    def __reduce__(self):
        return (os.system, ('true',))


def twice(value):
    return [value, value, {'again': value}]


DATA = {
    'none': None,
    'true': True,
    'false': False,
    'ints': [0, 1, 255, 256, 65535, 65536, -1, -128, 2**31 - 1, -2**31, 2**31, -2**31 - 1, 2**53,
             -2**63, 10**20, 2**200],
    'floats': [0.0, -0.0, 1.5, 1e308, float('inf'), float('-inf')],
    'nan': float('nan'),
    'strings': ['', 'a', 'h\u00e9', '\U0001f600', '\ud800', 'a\udfffb\u20ac', 'x' * 300],
    'tuples': [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    'nested': {'a': [{'b': (1, [2])}], 'c': {}},
    'keys': {1: 'a', None: 'b', False: 'c'},
    'proto key': {'__proto__': {'x': 1}, 'a': 1},
    'shared': twice([1, 2]),
}

in_itself = []
in_itself.append(in_itself)
dict_in_itself = {}
dict_in_itself['d'] = dict_in_itself
tuple_in_itself = ([],)
tuple_in_itself[0].append(tuple_in_itself)

HOSTILE = {
    'os.system': Evil(),
    'a function': len,
    'a class': Evil,
    'a set': {1, 2},
    'a frozenset': frozenset((1,)),
    'a complex number': 1j,
    'a datetime': datetime.datetime(2020, 1, 1),
    'an OrderedDict': collections.OrderedDict(a=1),
    'a list that contains itself': in_itself,
    'a dict that contains itself': dict_in_itself,
    'a tuple that contains itself': tuple_in_itself,
    'a tuple as a key': {(1, 2): 3},
}

data = []
hostile = []


def add(rows, protocol, name, value):
    rows.append({'protocol': protocol, 'name': name, 'hex': pickle.dumps(value, protocol).hex()})


for protocol in (2, 3, 4, 5):
    for name, value in DATA.items():
        add(data, protocol, name, value)
    for name, value in HOSTILE.items():
        add(hostile, protocol, name, value)
    if protocol > 2:
        add(data, protocol, 'bytes', [b'', b'\x00\xff', b'q' * 300])
# pickle writes a long list in batches of 1000 items, and uses another opcode after 256 memo entries. Only protocol 5
# has an opcode for a bytearray.
add(data, 4, 'long list', list(range(1200)))
add(data, 2, 'long dict', {str(i): i for i in range(300)})
add(data, 5, 'bytearray', bytearray(b'abc'))
add(hostile, 2, 'bytes', b'\xff')
add(hostile, 4, 'a bytearray', bytearray(b'abc'))
add(hostile, 0, 'a list', [1])
add(hostile, 1, 'a list', [1])
add(hostile, 0, 'os.system', Evil())


def lines(rows):
    return ',\n'.join('    ' + json.dumps(row) for row in rows)


print('{\n  "data": [\n%s\n  ],\n  "hostile": [\n%s\n  ]\n}' % (lines(data), lines(hostile)))
