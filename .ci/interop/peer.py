"""A peer that shares no code with the server: Python's websockets, against the chat example.

usage: peer.py ws://host:port/socket [deflate]
       peer.py ws://host:port/socket meet ROOM NAME OTHER…

The first form checks what a client meets; deflate asks for compression and insists on it. The second enters a room,
waits for the others, greets them and goes when all have greeted.
"""

import asyncio
import json
import sys

import websockets

PATIENCE = 10  # seconds for anything to happen


class Peer:
    """A connection whose messages are kept until somebody waits for them."""

    def __init__(self, connection):
        self.connection = connection
        self.inbox = []
        self.news = asyncio.Event()
        self.reader = asyncio.create_task(self.read())

    @classmethod
    async def connect(cls, url, compression=None):
        return cls(await websockets.connect(url, compression=compression, max_size=None))

    async def read(self):
        try:
            async for text in self.connection:
                assert isinstance(text, str), f"the chat sends text messages, this is {text!r}"
                message = json.loads(text)
                assert isinstance(message["event"], str), f"no event in {text}"
                self.inbox.append(message)
                self.news.set()
        except websockets.ConnectionClosed:
            pass  # the code is on the connection

    async def emit(self, event, data):
        await self.connection.send(json.dumps({"event": event, "data": data}))

    async def wait(self, event, test=lambda data: True):
        """The data of the next such event; earlier ones of other kinds are passed over but kept."""
        what = f"no {event} came; there is {self.inbox}"
        async def look():
            while True:
                for i, message in enumerate(self.inbox):
                    if message["event"] == event and test(message.get("data")):
                        return self.inbox.pop(i)["data"]
                self.news.clear()
                assert not self.reader.done(), f"{what}; closed with {self.connection.close_code}"
                await asyncio.wait([asyncio.create_task(self.news.wait()), self.reader],
                                   return_when=asyncio.FIRST_COMPLETED)
        try:
            return await asyncio.wait_for(look(), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(what) from None

    async def join(self, room, name):
        await self.emit("join", {"room": room, "name": name})
        return await self.wait("members", lambda data: data["room"] == room)

    async def closed(self):
        """The close code once the connection is gone."""
        await asyncio.wait_for(self.connection.wait_closed(), PATIENCE)
        return self.connection.close_code


def says(text):
    return lambda data: data["text"] == text


async def check(url, deflate):
    room = "python" + ("-deflate" if deflate else "")
    compression = "deflate" if deflate else None
    ann, bob = [await Peer.connect(url, compression) for _ in range(2)]
    extensions = [extension.name for extension in ann.connection.extensions] \
        if hasattr(ann.connection, "extensions") else [e.name for e in ann.connection.protocol.extensions]
    assert extensions == (["permessage-deflate"] if deflate else []), f"agreed on {extensions}"

    await ann.join(room, "Ann")
    there = await bob.join(room, "Bob")
    assert sorted(m["name"] for m in there["members"]) == ["Ann", "Bob"], there
    await ann.wait("userJoined", lambda data: data["name"] == "Bob")
    done("join: both are told who is there")

    await ann.emit("chat", {"room": room, "text": "hello"})
    for peer in (ann, bob):
        assert (await peer.wait("chat", says("hello")))["name"] == "Ann"
    done("chat reaches the other peer and its sender")

    for i in range(50):
        await bob.emit("chat", {"room": room, "text": f"count {i}"})
    seen = [(await ann.wait("chat", lambda data: data["text"].startswith("count")))["text"] for _ in range(50)]
    assert seen == [f"count {i}" for i in range(50)], seen
    done("fifty messages in a row arrive in order")

    big = "grüße 🐙 " * 200
    await ann.emit("chat", {"room": room, "text": big.strip()})
    await bob.wait("chat", says(big.strip()))
    whole = json.dumps({"event": "chat", "data": {"room": room, "text": "padded", "padding": "x" * 60_000}})
    await ann.connection.send(whole)
    await bob.wait("chat", says("padded"))
    done("big messages")

    text = json.dumps({"event": "chat", "data": {"room": room, "text": "in frägments"}}, ensure_ascii=False)
    await ann.connection.send([text[i:i + 7] for i in range(0, len(text), 7)])
    await bob.wait("chat", says("in frägments"))
    done("a message in fragments is one message")

    await asyncio.wait_for(await ann.connection.ping(b"are you there"), PATIENCE)
    done("a ping is answered by its pong")

    for bad in ("", "not JSON", '{"event":', '{"event":7}', "[1,2", b"\x00\xff", '{"event":"chat","data":"no object"}'):
        await ann.connection.send(bad)
    await ann.emit("chat", {"room": room, "text": "still here"})
    await bob.wait("chat", says("still here"))
    done("malformed messages leave the connection alive")

    await ann.connection.close(1000, "bye")
    assert await ann.closed() == 1000, ann.connection.close_code
    await bob.wait("userLeft", lambda data: data["name"] == "Ann")
    done("closing handshake with code 1000")

    try:
        await bob.connection.send("x" * (8 << 20))
    except websockets.ConnectionClosed:
        pass  # refused while we were still sending
    assert await bob.closed() in (1009, 1006), bob.connection.close_code
    done(f"a message over the limit ends the connection, code {bob.connection.close_code}")


async def meet(url, room, name, others):
    peer = await Peer.connect(url)
    members = await peer.join(room, name)
    there = {m["name"] for m in members["members"]}
    for other in set(others) - there:
        await peer.wait("userJoined", lambda data: data["name"] == other)
    await peer.emit("chat", {"room": room, "text": f"hello from {name}"})
    for other in others:
        await peer.wait("chat", lambda data: data["name"] == other and data["text"] == f"hello from {other}")
    await peer.connection.close()
    done(f"{name} met {', '.join(others)}")


def done(what):
    print(f"  ok  {what}", flush=True)


if __name__ == "__main__":
    url, *rest = sys.argv[1:]
    if rest[:1] == ["meet"]:
        asyncio.run(meet(url, rest[1], rest[2], rest[3:]))
    else:
        print(f"websockets {websockets.__version__ if hasattr(websockets, '__version__') else ''} {' '.join(rest)}")
        asyncio.run(check(url, rest == ["deflate"]))
