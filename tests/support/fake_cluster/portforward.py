"""``kubectl port-forward``: streams in SPDY frames in a WebSocket, as kubectl 1.31 and later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.support.fake_cluster import answers, spdy
from tests.support.fake_cluster.requests import Asked
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.store import Store

_PROTOCOL = "SPDY/3.1+portforward.k8s.io"


async def forward(
    store: Store, backend: tuple[str, int] | None, asked: Asked, request: web.Request
) -> web.StreamResponse:
    """Forward connections to where a test serves for the pod; without, they are refused."""
    pod = store.get(asked.resource, asked.namespace, asked.name)
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise answers.Refused(400, "BadRequest", "Upgrade request required")
    if pod.get("status", {}).get("phase") != "Running":
        phase = pod.get("status", {}).get("phase")
        message = f"unable to forward port because pod is not running. Current status={phase}"
        raise answers.Refused(400, "BadRequest", message)
    socket = web.WebSocketResponse(protocols=(_PROTOCOL,), max_msg_size=0)
    await socket.prepare(request)
    tunnel = _Tunnel(socket, pod, backend)
    watch = asyncio.create_task(_close_with_pod(store, asked, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                for frame in tunnel.codec.read(message.data):
                    await tunnel.take(frame)
    finally:
        watch.cancel()
        tunnel.close()
    return socket


async def _close_with_pod(store: Store, asked: Asked, socket: web.WebSocketResponse) -> None:
    while store.find(asked.resource, asked.namespace, asked.name):
        await asyncio.sleep(0.05)
    await socket.close()


@dataclass
class _Tunnel:
    socket: web.WebSocketResponse
    pod: Object
    backend: tuple[str, int] | None
    codec: spdy.Codec = field(default_factory=spdy.Codec)
    errors: dict[str, int] = field(default_factory=dict)  # request id: its stream for errors
    writers: dict[int, asyncio.StreamWriter] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def take(self, frame: spdy.Frame) -> None:
        if frame.kind == spdy.PING:
            await self.socket.send_bytes(spdy.pong(frame.stream))
        elif frame.kind == spdy.SYN_STREAM:
            await self.socket.send_bytes(self.codec.reply(frame.stream))
            await self._open(frame)
        elif (writer := self.writers.get(frame.stream)) and not writer.is_closing():
            if frame.kind == spdy.RST_STREAM:
                writer.close()
            elif frame.kind == spdy.DATA:
                writer.write(frame.body)
                await writer.drain()
                if frame.fin:
                    writer.write_eof()

    async def _open(self, frame: spdy.Frame) -> None:
        headers = {k.lower(): v for k, v in (frame.headers or {}).items()}
        request = headers["requestid"]
        if headers["streamtype"] == "error":
            self.errors[request] = frame.stream
            return
        try:
            if self.backend is None:
                raise ConnectionRefusedError
            reader, self.writers[frame.stream] = await asyncio.open_connection(*self.backend)
        except OSError:
            await self._end(frame.stream, request, self._refused(headers["port"]))
            return
        task = asyncio.create_task(self._back(frame.stream, request, reader))
        self.tasks.add(task)

    async def _back(self, stream: int, request: str, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(16_384):
            await self.socket.send_bytes(spdy.data(stream, chunk))
        await self._end(stream, request)

    async def _end(self, stream: int, request: str, error: bytes = b"") -> None:
        if request in self.errors:
            await self.socket.send_bytes(spdy.data(self.errors[request], error, fin=True))
        await self.socket.send_bytes(spdy.data(stream, b"", fin=True))

    def _refused(self, port: str) -> bytes:
        sandbox = f"{self.pod['metadata']['uid']}".replace("-", "") * 2
        why = f"dial tcp4 127.0.0.1:{port}: connect: connection refused"
        return (
            f"error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward "
            f'in network namespace "/var/run/netns/cni": failed to connect to localhost:{port} '
            f'inside namespace "{sandbox}": {why}'
        ).encode()

    def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in self.writers.values():
            writer.close()
