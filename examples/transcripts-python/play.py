"""Plays the WebSocket transcripts of the conformance kit against a server. docs/transcripts.md has the grammar.

    python3 play.py http://127.0.0.1:3000 cases/server/websocket/*.wire

Prints the result of each case in the Test Anything Protocol. The exit status is 1 if a MUST has failed.
"""
import argparse, ast, base64, contextlib, functools, hashlib, itertools, os, re, socket, struct, sys, time, zlib
import concurrent.futures, pathlib, urllib.parse

KINDS = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
HANDSHAKE = {"Host": "{host}", "Upgrade": "websocket", "Connection": "Upgrade",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
END = None, b""  # What next() returns at the end of the connection, in place of an opcode and a payload.

FIELD = r"(?:title|section|sentence|severity|silence|extra-time|alone|needs|each|\|).*\n"
CASE = re.compile(rf"^(section|severity) (.*)\n|^case (.*)\n((?:{FIELD})*)((?:(?!case |se\w+ ).*\n)+)", re.M)
LOOP = re.compile(r"^for ([\w-]+) in (.*)\n((?:(?!for |end\n).*\n)*)end\n", re.M)
COUNT, TEXT = r"\d+(?: [KM]iB)?", r"'(?:[^'\\]|\\.)*'"
ATOM = re.compile(rf" *(?:([0-9a-f]{{2}})\.\.([0-9a-f]{{2}})|((?:[0-9a-f]{{2}})+)(?![\w-])|noise ({COUNT})|({TEXT}))"
                  rf"(?: (×|up to) ({COUNT}))?")
FRAME = re.compile(rf"(?:fragments of ({COUNT}): |first (\d+) bytes of )?(compressed )?({'|'.join(KINDS)}|opcode .)"
                   r"((?: no-fin| unmasked| rsv [01]{3}| mask [0-9a-f]{8}| \d+-bit| length \d\S*(?: .iB)?)*)((?: .*)?)")
PARAMETER = r';\s*(\w+_no_context_takeover|\w+_max_window_bits(?=\s*=))(?:\s*=\s*"?((?:[89]|1[0-5])\b)"?)?\s*'


class Failure(Exception):
    """Contains what was expected, what the server did, and the severity or the name of the header field with it."""


def check(condition, expected, got, severity="severity"):
    if not condition:
        raise Failure(expected, got, severity)


def fill(text, values):
    return re.sub(r"(?<!\\u)\{([a-zA-Z][\w-]*)\}", lambda name: values.get(name[1], name[0]), text)


def values_of(text):
    """Returns the values of a list with ranges: 1, 5, 6 and 7 for "1, 5..7"."""
    numbers = lambda ends: ", ".join(map(str, range(int(ends[1]), int(ends[2]) + 1)))
    return re.split(r",\s*", re.sub(r"(\d+)\.\.(\d+)", numbers, text.strip()))


def read_cases(path, values):
    """Yields the header and the lines of each case of a file, once for each combination of rows of its tables."""
    lines = [re.sub(r"\s{2,}\| .*", "", line.strip()) + "\n" for line in pathlib.Path(path).open(encoding="utf-8")]
    text = "".join(line for line in lines if not re.match(r"#|\n|sentence [\w-]+:", line))
    defaults = {}
    for default, value, name, header, steps in CASE.findall(text):
        defaults |= {default: value} if default else {}
        tables = [[]] if default else []  # A table without rows, so that a default is not played as a case.
        for head, listed, rows in re.findall(r"^each +([^:\n]+):?(.*)\n((?:\|.*\n)*)", header, re.M):
            cells = [row[1:].split("|") for row in rows.splitlines()] or [[value] for value in values_of(listed)]
            tables.append([dict(zip(head.split(" | "), map(str.strip, row))) for row in cells])
        for rows in itertools.product(*tables):
            row = dict(cell for each in rows for cell in each.items())
            fields = {**defaults, "id": name, **dict(re.findall(r"^([\w-]+) *(.*)", header, re.M))}
            lines = fill(fill(steps, row), values)
            lines = LOOP.sub(lambda loop: "".join(fill(loop[3], {loop[1]: i}) for i in values_of(loop[2])), lines)
            lines = re.sub(r"\n[A-Z]?>\+ ", " + ", lines).splitlines()  # Joins a line with "+" to the line above.
            yield {field: fill(value, row) for field, value in fields.items()}, lines


def count_of(text):
    return int(text.split()[0]) * (1 << 10 if "KiB" in text else 1 << 20 if "MiB" in text else 1)


def bytes_of(text):
    result = b""
    for first, last, digits, noisy, quoted, sign, count in ATOM.findall(text):
        part = (bytes(range(int(first, 16), int(last, 16) + 1)) if first else noise(count_of(noisy)) if noisy
                else ast.literal_eval(quoted).encode() if quoted else bytes.fromhex(digits))
        size = count_of(count) * (len(part) if sign == "×" else 1) if sign else len(part)
        result += (part * (size // max(1, len(part)) + 1))[:size]
    return result


@functools.cache
def noise(size):
    """Returns pseudo-random bytes: the lowest byte of each number of an xorshift generator."""
    state, result = 0x2545F491, bytearray()
    for _ in range(size):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        result.append(state & 255)
    return bytes(result)


def encode_frame(first, payload, modifiers):
    """Returns a frame (RFC 6455 §5.2) with the given first byte and payload."""
    bits, key = re.search(r"(\d+)-bit", modifiers), re.search(r"mask (\w+)", modifiers)
    power, claimed = re.search(r"length 2\^(\d+)([+-]\d+)?", modifiers), re.search(r"length (\d+(?: .iB)?)", modifiers)
    length = 2 ** int(power[1]) + int(power[2] or 0) if power else count_of(claimed[1]) if claimed else len(payload)
    size = int(bits[1]) // 8 if bits else 0 if length < 126 else 2 if length < 65536 else 8
    key = b"" if "unmasked" in modifiers else bytes.fromhex(key[1]) if key else os.urandom(4)
    head = bytes([first, len(key) << 5 | {0: length, 2: 126, 8: 127}[size]]) + length.to_bytes(8, "big")[8 - size:]
    mask = int.from_bytes((key * (len(payload) // 4 + 1))[:len(payload)], "big")
    return head + key + (mask ^ int.from_bytes(payload, "big")).to_bytes(len(payload), "big")


class Connection:
    """A TCP connection on which a case sends a request and then frames."""

    def __init__(self, address, deadline):
        self.address, self.deadline = address, deadline
        self.socket = socket.create_connection(address, max(0.001, deadline - time.monotonic()))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A thread writes while the case reads: a server may fail the connection before it has read everything.
        self.writer = concurrent.futures.ThreadPoolExecutor(1)
        self.input, self.at, self.message = bytearray(), 0, []  # Received bytes, how many were parsed, fragments.
        self.head, self.piece, self.rest, self.is_websocket = [], 0, b"", False
        self.offer, self.deflater, self.inflater = "", None, None

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.writer.shutdown()
        self.socket.close()

    def send(self, said, values):
        """Sends the data of a line. The lines of an HTTP head are sent together, when its empty line is played."""
        piece, said = re.fullmatch(r"(?:in pieces of (\d+): ?)?(.*)", said).groups()
        self.piece = int(piece or self.piece)
        if not self.is_websocket and (piece or re.match(r"(?!FIN$|RST$)[^+]", said)):
            if found := re.fullmatch(r"handshake(?: with ([\w-]+): ?(.*)| without (.*))?", said):
                fields = {**HANDSHAKE, **({found[1]: found[2]} if found[1] else {})}
                lines = [f"{name}: {fields[name]}" for name in fields if name not in (found[3] or "").split(", ")]
                self.head += [fill(line, values) for line in ["GET {websocket} HTTP/1.1", *lines]]
            elif said:
                self.head.append(bytes_of(said).decode("latin-1") if said.startswith("'") else said)
            return
        request = "" if self.is_websocket else "\r\n".join([*self.head, "", ""])
        data = b"" if said in ("FIN", "RST") else request.encode("latin-1") + self.encode(said)
        size, self.piece = self.piece or max(1, len(data)), 0
        for at in range(0, len(data), size):
            self.writer.submit(self.socket.sendall, data[at:at + size])
            self.writer.submit(time.sleep, 0.001 if size < len(data) else 0)
        if said == "FIN":
            self.writer.submit(self.socket.shutdown, socket.SHUT_WR)
        elif said == "RST":
            self.writer.submit(self.socket.setsockopt, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.submit(self.socket.close)

    def encode(self, said):
        """Returns the frames of a line, as bytes."""
        data = bytearray()
        for part in (each.strip(" +") for each in re.findall(rf"(?:{TEXT}|(?! \+ )[^'])+", said)):
            if part == "rest":
                return self.rest
            size, cut, compressed, kind, modifiers, payload = FRAME.fullmatch(part).groups()
            code = re.match(r" (\d+)(?= |$)", payload) if kind == "close" else None
            payload = int(code[1]).to_bytes(2, "big") + bytes_of(payload[code.end():]) if code else bytes_of(payload)
            payload = self.deflate(payload) if compressed else payload
            rsv = int((re.search(r"rsv (...)", modifiers) or "00")[1], 2) | (4 if compressed else 0)
            first = rsv << 4 | (KINDS[kind] if kind in KINDS else int(kind[-1], 16))
            size = count_of(size) if size else max(1, len(payload))
            for at in (starts := range(0, max(1, len(payload)), size)):
                fin = 0 if "no-fin" in modifiers or at < starts[-1] else 0x80
                data += encode_frame(fin | (first if at == 0 else 0), payload[at:at + size], modifiers)
            if cut:
                data, self.rest = data[:int(cut)], data[int(cut):]
        return data

    def receive(self):
        """Waits for input. Returns whether bytes were received before the end of the connection."""
        self.socket.settimeout(max(0.001, self.deadline - time.monotonic()))
        with contextlib.suppress(ConnectionError):
            self.input += (chunk := self.socket.recv(1 << 20))
            return bool(chunk)

    def read(self, count):
        """Returns `count` bytes, or fewer if the connection ends before."""
        while len(self.input) < self.at + count and self.receive():
            pass
        self.at += count
        return bytes(self.input[self.at - count:self.at])

    def answer(self):
        """Returns the head of the server's HTTP response."""
        while b"\r\n\r\n" not in self.input:
            check(self.receive(), "an answer", "the end of the connection")
        end = self.input.index(b"\r\n\r\n") + 4
        self.at = max(self.at, end)
        return self.input[:end].decode("latin-1")

    def header(self, name):
        return ", ".join(re.findall(rf"(?im)^{name}:[ \t]*(.*?)[ \t]*\r$", self.answer())) or None

    def next(self):
        """Returns the opcode and the payload of the next message or control frame, or END."""
        while head := self.read(2):
            size = {126: 2, 127: 8}.get(head[-1] & 127, 0)
            length = int.from_bytes(self.read(size), "big") if size else head[-1] & 127
            payload, fin, rsv, opcode = self.read(length), head[0] >> 7, head[0] >> 4 & 7, head[0] & 15
            right = len(head) == 2 and len(payload) == length >= {0: 0, 2: 126, 8: 65536}[size]
            right &= head[-1] < 128 and opcode in KINDS.values()
            right &= rsv == 0 or rsv == 4 and opcode in (1, 2) and bool(self.header("Sec-WebSocket-Extensions"))
            right &= fin == 1 and length < 126 if opcode >= 8 else (opcode == 0) == bool(self.message)
            right &= opcode != 8 or length != 1 and payload[2:].decode(errors="ignore").encode() == payload[2:]
            check(right, "a whole frame that a server may send (RFC 6455 §5)", head + payload)
            if opcode >= 8:
                return opcode, payload
            self.message.append((opcode, rsv, payload))
            if fin:
                opcode, rsv, _ = self.message[0]
                whole, self.message = b"".join(payload for *_, payload in self.message), []
                return opcode, self.inflate(whole) if rsv else whole
        return END

    @functools.cached_property
    def agreed(self):
        """The parameters of permessage-deflate (RFC 7692 §7.1) in the server's answer."""
        answer = self.header("Sec-WebSocket-Extensions") or "none"
        check(re.fullmatch(rf"permessage-deflate\s*(?:{PARAMETER})*", answer), "permessage-deflate", answer)
        return {"permessage-deflate": "", **dict(re.findall(PARAMETER, answer))}

    def deflate(self, data):
        offered = re.search(r"client_max_window_bits=(\d+)", self.offer)
        bits = min(int(offered[1] if offered else 15), int(self.agreed.get("client_max_window_bits", 15)))
        if self.deflater is None or "client_no_context_takeover" in self.offer + " ".join(self.agreed):
            # zlib does not support a window of 8 bits. With Z_HUFFMAN_ONLY, the data does not refer to the window.
            strategy = zlib.Z_HUFFMAN_ONLY if bits == 8 else zlib.Z_DEFAULT_STRATEGY
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -max(bits, 9), 8, strategy)
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] if data else b"\0"

    def inflate(self, data):
        bits = int(self.agreed.get("server_max_window_bits", 15))
        if self.inflater is None or "server_no_context_takeover" in self.agreed:
            self.inflater = zlib.decompressobj(-bits)
        message, data, piece = bytearray(), data + b"\0\0\xff\xff", b"more"
        while data or piece:  # zlib checks the window only if its output is limited to short pieces.
            piece = self.inflater.decompress(data, 0 if bits == 15 else 64)
            message += piece
            data = self.inflater.unconsumed_tail
        return message

    def expect(self, said):
        """Checks whether the server sends what a line expects."""
        match said.split():
            case ["fail", *codes]:
                if (item := self.next()) == END:
                    return socket.create_connection(self.address, 5).close()  # Fails if the server is down.
                check(item[0] == 8 and not self.message, said, item)
                check(self.next() == END, "the end of the connection", "more")
                fits = str(int.from_bytes(item[1][:2], "big")) in codes
                check(fits, said, item, "INFO" if "(INFO)" in codes else "SHOULD")
            case [*_, "(SHOULD)" | "(INFO)" as severity]:
                try:
                    self.expect(said.removesuffix(f" {severity}"))
                except Failure as failure:
                    raise Failure(*failure.args[:2], severity.strip("()"))
            case ["status", *codes]:
                version = r"\S+" if "not" in codes else r"1\.(?:1|0(?! 101))"  # A 101 response requires HTTP/1.1.
                status = (re.match(rf"HTTP/{version} (\d{{3}})\s", self.answer()) or ["", ""])[1]
                found = any(code[:3] <= status <= code[-3:] for code in codes)
                check(found != ("not" in codes), said, self.answer())
            case ["no", "header", name]:
                check(self.header(name) is None, said, self.header(name))
            case ["header", name, "has", element]:
                elements = (self.header(name) or "").lower()
                check(element.lower() in re.split(r"(?:;[^,]*)? *(?:, *|$)", elements), said, elements)
            case ["header", name, *_]:
                got = self.header(name[:-1]) or "none"
                check(said.partition(": ")[2] in (got, f"{got.lower()} (any case)"), said, got)
            case ["websocket"]:
                key = re.search(r"(?im)^sec-websocket-key:(.*)", "\n".join(self.head))[1].strip()
                digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
                for line in ("status 101", "header Upgrade: websocket (any case)", "header Connection has Upgrade",
                             f"header Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"):
                    self.expect(line)
                self.is_websocket = True
            case ["FIN"]:
                check((item := self.next()) == END, "the end of the connection", item)
            case ["alive"]:
                self.send("ping 'alive'", {})
                self.expect("pong 'alive'")
            case ["text" | "binary" | "close" | "ping" | "pong" as kind, *more]:
                while (item := self.next())[0] in (9, 10) and kind in ("text", "binary"):
                    pass
                code = str(int.from_bytes(item[1][:2], "big"))
                right = code in more if kind == "close" else item[1] == bytes_of(said[len(kind):])
                check(item[0] == KINDS[kind] and not self.message and (right or not more), said, item)
            case ["agreed", name, *limit]:
                got = self.agreed.get(name)
                check("none" in limit if got is None else not limit or int(got) <= int(limit[2]), said, got)
            case ["not", "agreed", name]:
                check(name not in self.agreed, said, self.agreed)
            case _:
                raise Failure("a line that this driver knows", f"< {said}", "SKIP")


def play(lines, values, connections, connect):
    """Plays the lines of a case. `connections` contains the open connections of the case by name."""
    lines = iter(lines)
    for line in lines:
        if said := re.fullmatch(r"([A-Z]?)([<>]) ?(.*)", line):
            connections[said[1]].send(said[3], values) if said[2] == ">" else connections[said[1]].expect(said[3])
        elif opening := re.fullmatch(r"connect (tcp|websocket)(?: as ([A-Z]))?(?: with (([\w-]+:.*)|.*))?", line):
            level, name, extra, field = opening.groups("")
            connection = connections[name] = connect()
            if level == "websocket":
                connection.offer = "" if field else bytes_of(extra).decode() if extra.startswith("'") else extra
                field = f"Sec-WebSocket-Extensions: {connection.offer}" if connection.offer else field
                handshake = f"{name}> handshake with {field}" if field else f"{name}> handshake"
                play([handshake, f"{name}>", f"{name}< status 101"], values, connections, connect)
                connection.is_websocket = True
                if connection.offer:
                    check(connection.header("Sec-WebSocket-Extensions"), "permessage-deflate", "no extension", "SKIP")
        elif line.startswith("~ "):
            time.sleep(float(line.split()[1]) / (1000 if line.endswith("ms") else 1))
        elif line == "either":
            block, failures = list(itertools.takewhile("end".__ne__, lines)), []
            connection = connections[block[0].partition("<")[0]]
            before = max(connection.at, len(connection.answer()))
            for alternative in "\n".join(block).split("\nor\n"):
                try:
                    play(alternative.split("\n"), values, connections, connect)
                    break
                except Failure as failure:
                    failures.append(failure.args)
                    connection.at, connection.message = before, []  # The next alternative reads the same input.
            else:
                raise Failure(" or ".join(str(each[0]) for each in failures), *failures[-1][1:])
        elif line == "any order":
            block = [each.partition("< ") for each in itertools.takewhile("end".__ne__, lines)]
            wanted = [(KINDS[said.split()[0]], bytes_of(said.partition(" ")[2])) for *_, said in block]
            while wanted:
                check((item := connections[block[0][0]].next()) in wanted, wanted, item)
                wanted.remove(item)
        else:
            raise Failure("a line that this driver knows", line, "SKIP")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", type=urllib.parse.urlsplit)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--path", default="/websocket", help="where the server echoes messages (default: /websocket)")
    parser.add_argument("--timeout", type=float, default=5, help="how many seconds a case may take (default: 5)")
    args = parser.parse_args()
    values = {"host": args.url.netloc, "websocket": args.path, "random": os.urandom(8).hex()}
    status, cases = 0, [case for path in args.files for case in read_cases(path, values)]
    print(f"TAP version 13\n1..{len(cases)}")
    for number, (header, lines) in enumerate(cases, 1):
        connections, deadline, severity, expected, got = {}, time.monotonic() + args.timeout, None, None, None
        try:
            play(lines, values, connections, lambda: Connection((args.url.hostname, args.url.port or 80), deadline))
        except Failure as failure:
            expected, got, severity = failure.args
        except (OSError, zlib.error) as error:
            severity = header.get("silence", "severity") if isinstance(error, TimeoutError) else "severity"
            expected, got = "what the transcript says", error
        for connection in connections.values():
            connection.close()
        severity, why = header.get(severity, severity), f"expected {expected}, got {str(got)[:100]!r}"
        result = {None: "", "SKIP": f" # SKIP {why}"}.get(severity, f"\n# {severity}: {why}")
        print("not ok" if "\n" in result else "ok", f"{number} - {header['id']}: {header['title']}{result}", flush=True)
        status |= severity == "MUST"
    sys.exit(status)
