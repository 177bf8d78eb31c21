"""Python's websockets with context takeover and windows of all sizes.

usage: takeover.py client ws://host:port   against the program in takeover/
       takeover.py server PORT PORT PORT   echoes: on the first port with what it is offered, on the second with
                                           windows of 9 bits, on the third of 12
"""

import asyncio
import json
import random
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

PATIENCE = 60  # seconds for everything with one server


def mixed(n):
    """Messages of all kinds and sizes, many of them like earlier ones."""
    rng = random.Random(n)
    messages = []
    for i in range(n):
        kind = i % 8
        if kind == 0:
            messages.append("" if i % 3 else "ü€🐙")
        elif kind == 1:
            messages.append(rng.randbytes(rng.randrange(3000)))
        elif kind == 2:
            messages.append(f"{i} grüße 🐙 " * rng.randrange(1, 2000))
        elif kind == 3:
            messages.append(bytes(rng.randrange(50000)))
        elif kind == 4:
            messages.append(messages[i - 2])
        elif kind == 5:
            messages.append(messages[max(0, i - 40)])
        else:
            messages.append(json.dumps({"symbol": f"AB{rng.randrange(20)}", "bid": rng.randrange(10000) / 100,
                                        "at": 1700000000 + i, "venues": ["XETRA", "NYSE", "LSE"]}))
    return messages


def connect(url, **parameters):
    factory = ClientPerMessageDeflateFactory(**parameters)
    return websockets.connect(url, compression=None, extensions=[factory], max_size=None)


async def raw(url, **parameters):
    async with connect(url, **parameters) as ws:
        agreed, = ws.extensions
        messages = mixed(200)

        async def send():
            for m in messages:
                await ws.send(m)

        sender = asyncio.create_task(send())
        for i, m in enumerate(messages):
            got = await ws.recv()
            assert got == m, f"message {i}: {got[:80]!r}, want {m[:80]!r}"
        await sender
    return f"{agreed}: {len(messages)} messages"


async def room(url, **parameters):
    """Members, all of whom hear everything in one order, with messages for one alone in between."""
    members = []

    async def enter():
        ws = await connect(url, **parameters)
        await ws.send(json.dumps({"event": "join", "data": "room"}))
        assert json.loads(await ws.recv())["event"] == "joined"
        members.append(ws)

    for _ in range(3):
        await enter()
    texts = [m for m in mixed(200) if isinstance(m, str)]
    for i, text in enumerate(texts):
        if i == len(texts) // 2:
            await enter()
        speaker = members[i % len(members)]
        await speaker.send(json.dumps({"event": "say", "data": {"room": "room", "what": text}}))
        for ws in members:
            assert json.loads(await ws.recv()) == {"event": "said", "data": text}
        if i % 7 == 0:
            await speaker.send(json.dumps({"event": "echo", "data": text}))
            assert json.loads(await speaker.recv()) == {"event": "echo", "data": text}
    for ws in members:
        await ws.close()
    return f"{len(members)} members heard {len(texts)} messages"


async def client(base):
    for name in ("none", "window", "small", "large", "one-way", "common"):
        print(f"  ok  {name}: {await raw(f'{base}/raw/{name}', client_max_window_bits=True)}", flush=True)
        print(f"  ok  {name}: {await room(f'{base}/socket/{name}', client_max_window_bits=True)}", flush=True)
    for bits in range(9, 16):
        for name in ("window", "common"):
            windows = {"server_max_window_bits": bits, "client_max_window_bits": bits}
            print(f"  ok  {name}, {bits} bits: {await raw(f'{base}/raw/{name}', **windows)}", flush=True)
            print(f"  ok  {name}, {bits} bits: {await room(f'{base}/socket/{name}', **windows)}", flush=True)
    for parameters in ({"server_no_context_takeover": True}, {"client_no_context_takeover": True}):
        print(f"  ok  {await raw(f'{base}/raw/window', **parameters)}", flush=True)


async def echo(ws, path=None):
    async for message in ws:
        await ws.send(message)


async def server(ports):
    for port, bits in zip(ports, (None, 9, 12), strict=True):
        windows = {"server_max_window_bits": bits, "client_max_window_bits": bits} if bits else {}
        await websockets.serve(echo, "127.0.0.1", port, compression=None, max_size=None,
                               extensions=[ServerPerMessageDeflateFactory(**windows)])
    await asyncio.Future()


if __name__ == "__main__":
    if sys.argv[1] == "server":
        asyncio.run(server([int(port) for port in sys.argv[2:]]))
    else:
        print("websockets with takeover")
        asyncio.run(asyncio.wait_for(client(sys.argv[2]), PATIENCE))
